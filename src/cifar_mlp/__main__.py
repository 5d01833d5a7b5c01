"""``python -m cifar_mlp`` and ``cifar-mlp``."""

import sys
from importlib import import_module

from cifar_mlp import __version__
from cifar_mlp.common.interruption import end_at_interrupt, end_with_parent, ignore_interrupts_at_the_very_end

# Commands with a parser of their own; all others are LightningCLI's.
COMMANDS = {
    "data": ("cifar_mlp.cli.data_command", "main"),
    "export": ("cifar_mlp.cli.export_command", "main"),
    "demo": ("cifar_mlp.demo.command", "main"),
    "seeds": ("cifar_mlp.studies.study_command", "seeds"),
    "cv": ("cifar_mlp.studies.study_command", "cross_validation"),
    "compare": ("cifar_mlp.studies.compare_command", "main"),
    "sweep": ("cifar_mlp.sweep.sweep_command", "main"),
}


def main() -> None:
    """Run the command line; ``--version`` alone answers without loading PyTorch."""
    ignore_interrupts_at_the_very_end()
    end_at_interrupt("cifar-mlp")
    end_with_parent()
    if sys.argv[1:] == ["--version"]:
        print(f"cifar-mlp {__version__}")
        return
    own = COMMANDS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    try:
        if own is not None:
            getattr(import_module(own[0]), own[1])(sys.argv[2:])
        else:
            import_module("cifar_mlp.cli").main()
    finally:
        end_at_interrupt("cifar-mlp")


if __name__ == "__main__":
    main()
