"""The images that a checkpoint was trained on, from the file alone."""

from typing import Any

from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.training.checkpoint import option_defaults


def data_of(checkpoint: dict[str, Any], **changed: Any) -> CIFAR10DataModule:
    """The data module of a checkpoint's settings and seed; no file is opened yet.

    Args:
        checkpoint: As read.
        changed: Settings to replace.
    """
    options = option_defaults(checkpoint, training=False)
    settings = {name.removeprefix("data."): value for name, value in options.items() if name.startswith("data.")}
    return CIFAR10DataModule(**{"seed": options.get("seed_everything", 0), **settings, **changed})
