"""What each class's precision costs in recall."""

from typing import Any

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.examples import answers
from cifar_mlp.callbacks.view import View


class PrecisionRecall(View):
    """Writes ``val_precision_recall/CLASS``: the class against all others on the validation images.

    Args:
        every_n_epochs: Epochs between two showings; null shows at the end alone.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write a curve a class."""
        given = answers(trainer, pl_module)
        if given is None:
            return
        names = class_names(pl_module, given.probabilities.shape[1])
        for label, (name, probability) in enumerate(zip(names, given.probabilities.T, strict=True)):
            is_class = given.labels == label
            board.writer.add_pr_curve(f"{board.prefix}val_precision_recall/{name}", is_class, probability, board.step)
