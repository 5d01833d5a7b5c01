"""How the hidden units answer, and how many never do."""

from typing import Any

from cifar_mlp.callbacks.board import Board
from cifar_mlp.callbacks.examples import examples
from cifar_mlp.callbacks.hidden import dead_share, hidden_activations
from cifar_mlp.callbacks.histograms import add_histogram
from cifar_mlp.callbacks.view import View

MOST = 1_000  # images


class Activations(View):
    """Writes ``activations/LAYER`` and ``dead_units/LAYER`` over the first 1,000 validation images.

    A unit is dead whose output is zero for every image; only ReLU's can be.

    Args:
        every_n_epochs: Epochs between two showings; null shows at the end alone.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write a histogram and a share for every layer."""
        found = examples(trainer)
        if found is None:
            return
        for name, values in hidden_activations(pl_module, found[0][:MOST].to(pl_module.device)).items():
            add_histogram(board, f"activations/{name}", values)
            board.scalar(f"dead_units/{name}", dead_share(values))
