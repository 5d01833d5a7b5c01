"""The base of every view: it draws, or warns once why not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from cifar_mlp.callbacks.board import Board, LeftOut, NotDrawn, board, last_step
from cifar_mlp.common.atomic_write import full_disk
from cifar_mlp.models import Classifier


class BoardCallback(Callback):
    """Writes to the run's board; never stops a training.

    Whatever keeps it from drawing becomes a warning, ``NAME: not drawn, REASON``, at most one for each callback.
    """

    _warned = False

    @contextmanager
    def guarded(self, pl_module: Any) -> Iterator[None]:
        """Turn any error inside into the warning.

        In this package's own :class:`Classifier`, a :class:`LeftOut` is silent: no PCA was asked for.
        """
        try:
            yield
        except NotDrawn as reason:
            if not (isinstance(reason, LeftOut) and isinstance(pl_module, Classifier)):
                self.warn(str(reason))
        except Exception as error:
            if (full := full_disk(error)) is not None and self._told_by_logger(pl_module, full):
                return
            self.warn(f"{type(error).__name__}: {error}")

    def _told_by_logger(self, pl_module: Any, full: OSError) -> bool:
        """Let the run's logger say that the disk is full, once for all views; whether it can."""
        loggers = [logger for logger in pl_module.trainer.loggers if hasattr(logger, "say_full")]
        for logger in loggers:
            logger.say_full(full)
        return bool(loggers)

    def attempt(self, draw: Callable[[Any, Any, Board], None], trainer: Any, pl_module: Any) -> None:
        """Call ``draw(trainer, pl_module, board)`` on the first process, guarded."""
        with self.guarded(pl_module):
            here = board(trainer, pl_module)
            if here is not None:
                draw(trainer, pl_module, here)

    def warn(self, reason: str) -> None:
        """Warn with the reason, unless this callback has warned before."""
        if not self._warned:
            self._warned = True
            rank_zero_warn(f"{type(self).__name__}: not drawn, {reason}")


class View(BoardCallback):
    """Draws after every ``every_n_epochs`` epochs and when training ends.

    A view works in any LightningModule, with any data whose batches begin with inputs and labels. It never changes a
    training: it leaves the random state, the weights and each part's mode as it found them.

    Where it cannot draw, it warns once and names the reason, e.g. ``FirstLayerWeights: not drawn, the module has no
    nn.Linear``. One exception: it stays silent about what the settings of this package's own :class:`Classifier`
    leave out, which is a PCA, hidden layers, or validation.

    Args:
        every_n_epochs: Epochs between two drawings; null draws at the end only.
    """

    at_start = False  # whether to draw before the first step too

    def __init__(self, every_n_epochs: int | None = None) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise ValueError(f"every_n_epochs must be at least 1, not {every_n_epochs}")
        self.every_n_epochs = every_n_epochs
        self._shown_at: int | None = None

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Draw; called on the first process only.

        Raises:
            NotDrawn: With the reason, if there is nothing to draw.
        """
        raise NotImplementedError

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget an earlier fit; draw the network as it was initialized, if the view does that."""
        self._shown_at = None
        if self.at_start and self.every_n_epochs is not None and trainer.global_step == 0:
            self.attempt(self._first, trainer, pl_module)

    def _first(self, trainer: Any, pl_module: Any, board: Board) -> None:
        with suppress(NotDrawn):  # what is missing may come: a validation that is not due yet
            self.show(trainer, pl_module, board)

    def due(self, epoch: int) -> bool:
        """Whether to draw after an epoch, counted from 1."""
        return self.every_n_epochs is not None and epoch % self.every_n_epochs == 0

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw every ``every_n_epochs`` epochs."""
        if self.due(trainer.current_epoch + 1):
            self._show_once(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the final state."""
        self._show_once(trainer, pl_module)

    def _show_once(self, trainer: Any, pl_module: Any) -> None:
        if last_step(trainer) != self._shown_at:
            self._shown_at = last_step(trainer)
            self.attempt(self.show, trainer, pl_module)
