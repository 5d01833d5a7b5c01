"""``python -m tests.reproduction.made_fit OPTIONS of fit``: scripts/fit_and_test.py on the made CIFAR-10."""

import runpy
import sys
from pathlib import Path

from tests.made_cifar import stand_in

ROOT = Path(__file__).resolve().parent.parent.parent

if __name__ == "__main__":
    stand_in()
    few = ["--data.n_components", "20"] if "pca" in " ".join(sys.argv) else []
    runpy.run_path(str(ROOT / "scripts" / "fit_and_test.py"))["main"]([*sys.argv[1:], "--data.batch_size", "50", *few])
