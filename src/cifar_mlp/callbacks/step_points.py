"""Points taken at steps, written together at the epoch's end."""

from typing import Any

from torch import Tensor

from cifar_mlp.callbacks.board import board, prefix_of
from cifar_mlp.callbacks.view import BoardCallback

Point = dict[str, Tensor | float]


class StepPoints(BoardCallback):
    """Collects points of curves on their device, so that no step waits for a GPU; works under any logger.

    They are written when the epoch ends, a checkpoint is saved (a run resumed from it does not take them again) or
    training stops.

    Args:
        every_n_steps: Optimizer steps between two points.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._points: list[tuple[int, Point]] = []

    def add(self, step: int, point: Point) -> None:
        """Keep a point for each of some tags, without the source's prefix."""
        self._points.append((step, point))

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget an earlier fit; say so if there is no logger."""
        self._points = []
        with self.guarded(pl_module):
            board(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the epoch's points."""
        self._write(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Write the points that are before it."""
        self._write(trainer, pl_module)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write the points taken so far."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Any, pl_module: Any) -> None:
        points, self._points = self._points, []
        for step, point in points:
            named = {f"{prefix_of(pl_module)}{tag}": float(value) for tag, value in point.items()}
            for logger in trainer.loggers:
                logger.log_metrics(named, step=step)
