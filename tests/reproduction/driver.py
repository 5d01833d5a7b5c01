"""``python -m tests.reproduction.driver PROGRAM OPTIONS``: scripts/reproduce.py with another program for a training."""

import runpy
import sys
from pathlib import Path

from tests.made_cifar import stand_in

ROOT = Path(__file__).resolve().parent.parent.parent

if __name__ == "__main__":
    stand_in()
    main = runpy.run_path(str(ROOT / "scripts" / "reproduce.py"))["main"]
    sys.exit(main(sys.argv[2:], [sys.executable, "-m", f"tests.reproduction.{sys.argv[1]}"]))
