"""What the first layer looks at, as it learns."""

from typing import Any

from torch import nn

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.examples import examples
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.first_layer import first_layer_weights, pixel_gradients


class FirstLayerWeights(View):
    """Draws the first affine map's units in pixel space, ``pictures/first_layer_weights``.

    Where the module has a ``preprocessing`` (scaling, PCA), the weights are carried back through it; where it has
    none, its first affine map must take the flattened images.

    Args:
        every_n_epochs: Epochs between two pictures; null draws at the end alone.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Draw."""
        first = next((module for module in pl_module.modules() if isinstance(module, nn.Linear)), None)
        if first is None:
            return
        preprocessing = getattr(pl_module, "preprocessing", None)
        if preprocessing is not None:
            gradients = pixel_gradients(first.weight, preprocessing)
        else:
            found = examples(trainer)
            if found is None or found[0][0].numel() != first.in_features or found[0].shape[1] not in (1, 3):
                return
            gradients = first.weight.detach().float().cpu().unflatten(1, found[0].shape[1:])
        is_output = sum(isinstance(module, nn.Linear) for module in pl_module.modules()) == 1
        names = class_names(pl_module, first.out_features) if is_output else ()
        board.figure(
            "pictures/first_layer_weights",
            first_layer_weights(gradients, names, f", after {board.step + 1:,} steps"),
        )
