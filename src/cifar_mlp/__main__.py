"""``python -m cifar_mlp`` and ``cifar-mlp``."""

import sys

from cifar_mlp import __version__


def main() -> None:
    """Run the command line; ``--version`` alone answers without loading PyTorch."""
    if sys.argv[1:] == ["--version"]:
        print(f"cifar-mlp {__version__}")
        return
    from cifar_mlp.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
