"""What augmentation makes of a few training images."""

from typing import Any

import torch

from cifar_mlp.callbacks.board import Board
from cifar_mlp.callbacks.view import View
from cifar_mlp.data.augment.augmentation import Place
from cifar_mlp.data.augment.augmented_split import AugmentedSplit
from cifar_mlp.pictures.tiles import gallery

IMAGES, EPOCHS = 12, 5


class AugmentedImages(View):
    """Draws training images as they are and as the first epochs see them, ``views/augmented_images``, at the start.

    The training loader's data must be an :class:`AugmentedSplit`; without augmentation there is nothing to show.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Draw once."""
        self.attempt(self.show, trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw nothing: the images are the same."""

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        split = getattr(trainer.train_dataloader, "dataset", None)
        if not isinstance(split, AugmentedSplit):
            return
        indices = torch.arange(min(IMAGES, len(split)))
        rows = [split.inputs[indices], *(split.changed(indices, Place(epoch, 0))[0] for epoch in range(EPOCHS))]
        requested = ", ".join(f"{name} {strength}" for name, strength in split.augmentation.options.items())
        names = ["original", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
        board.figure(
            "views/augmented_images", gallery(torch.cat(rows), len(indices), f"Augmented: {requested}", rows=names)
        )
