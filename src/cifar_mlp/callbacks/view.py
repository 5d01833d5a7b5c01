"""Something to look at, every few epochs or at the end of training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from cifar_mlp.callbacks.board import Board, board


class View(Callback):
    """Shows something after every ``every_n_epochs`` epochs and when training ends.

    A view never changes a training: it draws no random number and leaves the network as it found it.

    Args:
        every_n_epochs: Epochs between two showings; null shows at the end alone.
    """

    def __init__(self, every_n_epochs: int | None = None) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise ValueError(f"every_n_epochs must be at least 1, not {every_n_epochs}")
        self.every_n_epochs = every_n_epochs
        self._shown_at: int | None = None

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write to the board; called on the first process only."""
        raise NotImplementedError

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Show if the epoch's number says so."""
        if self.every_n_epochs is not None and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._show_once(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Show how it ended."""
        self._show_once(trainer, pl_module)

    def _show_once(self, trainer: Any, pl_module: Any) -> None:
        here = board(trainer, pl_module)
        if here is None or here.step == self._shown_at:
            return
        self._shown_at = here.step
        with harmless(self):
            self.show(trainer, pl_module, here)


@contextmanager
def harmless(view: Callback) -> Iterator[None]:
    """A warning instead of an error: no picture is worth a training."""
    try:
        yield
    except Exception as error:
        rank_zero_warn(f"{type(view).__name__} could not be shown: {type(error).__name__}: {error}")
