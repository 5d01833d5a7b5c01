"""``python -m tests.sweep.fake_worker SWEEP ...``: scripts/sweep.py, but trials train nothing."""

import runpy
import sys
from pathlib import Path

from cifar_mlp.sweep import process

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "sweep.py"
FAKE_FIT = [sys.executable, str(Path(__file__).with_name("fake_fit.py"))]

if __name__ == "__main__":
    process.FIT = FAKE_FIT
    runpy.run_path(str(SCRIPT))["main"](sys.argv[1:])
