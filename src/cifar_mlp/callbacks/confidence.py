"""Pictures of how confident a network is, right or wrong."""

from typing import Any

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.probe import predictions, require_images
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.galleries import class_averages, error_gallery
from cifar_mlp.pictures.reliability import reliability_diagram


class Reliability(View):
    """Draws accuracy against confidence on the validation split, ``views/reliability``."""

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        title = f"Validation after {board.step + 1:,} steps"
        board.figure("views/reliability", reliability_diagram(predictions(trainer, pl_module), title))


class ConfidentErrors(View):
    """Draws ``views/most_confident_errors`` and each class's mean image, ``views/class_averages``."""

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        found = predictions(trainer, pl_module)
        require_images(found.inputs)
        names = class_names(pl_module, found.probabilities.shape[1])
        board.figure("views/most_confident_errors", error_gallery(found, names, "Validation"))
        board.figure("views/class_averages", class_averages(found, names, "Validation"))
