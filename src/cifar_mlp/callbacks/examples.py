"""Images to look at while training: the validation split's."""

from typing import Any

import torch
from torch import Tensor

from cifar_mlp.callbacks.modes import evaluating
from cifar_mlp.pictures.answers import Answers, ask

MOST = 5_000  # enough for every picture


def examples(trainer: Any) -> tuple[Tensor, Tensor] | None:
    """The first validation images and their labels.

    They come from the data module's ``val_images()`` where it has one, else from the validation loader, if its
    batches begin with images and labels; ``None`` where they do not.
    """
    source = getattr(trainer.datamodule, "val_images", None)
    if source is not None:
        images, labels = source()
        return images[:MOST], labels[:MOST]
    images, labels = [], []
    for loader in [trainer.val_dataloaders] if trainer.val_dataloaders is not None else []:
        for batch in loader:
            if not isinstance(batch, tuple | list) or batch[0].ndim != 4 or sum(map(len, labels)) >= MOST:
                break
            images.append(batch[0])
            labels.append(batch[1])
    return (torch.cat(images)[:MOST], torch.cat(labels)[:MOST]) if images else None


def answers(trainer: Any, pl_module: Any) -> Answers | None:
    """What the module says of the validation images now."""
    found = examples(trainer)
    if found is None:
        return None
    images, labels = found
    with evaluating(pl_module):
        return ask(pl_module, images.to(pl_module.device), labels)
