"""``python -m cifar_mlp`` and ``cifar-mlp``."""

import sys

from cifar_mlp import __version__
from cifar_mlp.common.stopped import end_at_interrupt


def main() -> None:
    """Run the command line; ``--version`` alone answers without loading PyTorch."""
    end_at_interrupt("cifar-mlp")
    if sys.argv[1:] == ["--version"]:
        print(f"cifar-mlp {__version__}")
        return
    from cifar_mlp.cli import main as command_line

    try:
        command_line()
    finally:
        end_at_interrupt("cifar-mlp")


if __name__ == "__main__":
    main()
