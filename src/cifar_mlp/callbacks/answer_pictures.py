"""What the network says of the validation images, as pictures."""

from typing import Any

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.examples import answers
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.mistakes import class_averages, mistake_gallery
from cifar_mlp.pictures.reliability import reliability_diagram


class Reliability(View):
    """Draws accuracy against confidence, ``pictures/reliability``.

    Args:
        every_n_epochs: Epochs between two pictures; null draws at the end alone.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Draw."""
        given = answers(trainer, pl_module)
        if given is not None:
            title = f"Validation after {board.step + 1:,} steps"
            board.figure("pictures/reliability", reliability_diagram(given, title))


class Mistakes(View):
    """Draws the most confident mistakes and each class's average, ``pictures/mistakes`` and ``.../class_averages``.

    Args:
        every_n_epochs: Epochs between two pictures; null draws at the end alone.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Draw."""
        given = answers(trainer, pl_module)
        if given is not None:
            names = class_names(pl_module, given.probabilities.shape[1])
            board.figure("pictures/mistakes", mistake_gallery(given, names, "Validation"))
            board.figure("pictures/class_averages", class_averages(given, names, "Validation"))
