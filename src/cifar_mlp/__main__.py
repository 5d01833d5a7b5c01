"""``python -m cifar_mlp`` and ``cifar-mlp``."""

import gc

gc.disable()  # what is imported stays; searching it for garbage again and again takes a seventh of the start-up

from cifar_mlp.cli import main  # noqa: E402
from cifar_mlp.leaving import leave_after  # noqa: E402

gc.enable()


def command() -> None:
    """Run one command and end the process."""
    leave_after(main)


if __name__ == "__main__":
    command()
