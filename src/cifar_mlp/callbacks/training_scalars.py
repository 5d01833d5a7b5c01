"""Curves of a training beside its metrics."""

import time
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.callbacks.board import NotDrawn, board, last_step, parameter_group, prefix_of
from cifar_mlp.callbacks.view import BoardCallback

Point = dict[str, Tensor | float]


class TrainingScalars(BoardCallback):
    """Logs ``train/batch_loss``, ``learning_rate``, ``gradient_norm``, ``weight_norm`` and ``images_per_second``.

    Norms are Euclidean over all parameters together; the gradient is the one that the step used. The speed is that of
    a whole epoch, without validation. Values stay on their device until the epoch ends, a checkpoint is saved or
    training stops, so that no step waits for a GPU. Works under any logger.

    Args:
        every_n_steps: Optimizer steps between two points; each epoch's last step is a point too.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._images = 0
        self._seconds = 0.0
        self._since = 0.0
        self._last_step = -1
        self._learning_rate: float | None = None
        self._points: list[tuple[int, Point]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Say so if there is no logger, or no learning rate to log."""
        self._last_step = -1
        self._images, self._seconds, self._since = 0, 0.0, time.perf_counter()  # an epoch may go on in its middle
        with self.guarded(pl_module):
            board(trainer, pl_module)
            if not parameter_group(trainer):
                raise NotDrawn("there is no optimizer, so no learning rate")

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the epoch's clock."""
        self._images, self._seconds, self._since = 0, 0.0, time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Read the learning rate before a schedule changes it."""
        self._learning_rate = parameter_group(trainer).get("lr")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count images; at some steps take a point."""
        self._images += batch_size(batch)
        step = trainer.global_step - 1
        due = step % self.every_n_steps == 0 or trainer.is_last_batch
        if due and step != self._last_step and trainer.loggers:
            self._last_step = step
            with self.guarded(pl_module):
                self._points.append((step, self._point(pl_module, outputs)))

    def _point(self, pl_module: Any, outputs: Any) -> Point:
        parameters = list(pl_module.parameters())
        point: Point = {}
        if self._learning_rate is not None:
            point["learning_rate"] = self._learning_rate
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            point["gradient_norm"] = norm(gradients)
        if isinstance(outputs, dict) and "loss" in outputs:
            point["batch_loss"] = outputs["loss"].detach()
        point["weight_norm"] = norm([parameter.detach() for parameter in parameters])
        return point

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Stop the clock."""
        self._seconds += time.perf_counter() - self._since

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Restart the clock."""
        self._since = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the epoch's speed over all processes."""
        seconds = self._seconds + time.perf_counter() - self._since
        if self._images == 0:
            self.warn("images_per_second needs batches that begin with a tensor")
        elif trainer.loggers and seconds > 0:
            speed = self._images * trainer.world_size / seconds
            self._points.append((last_step(trainer), {"images_per_second": speed}))
        self._write(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Write the points that a run resumed from here will not take again."""
        self._write(trainer, pl_module)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write the points taken so far."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Any, pl_module: Any) -> None:
        points, self._points = self._points, []
        for step, point in points:
            named = {f"{prefix_of(pl_module)}train/{name}": float(value) for name, value in point.items()}
            for logger in trainer.loggers:
                logger.log_metrics(named, step=step)


def batch_size(batch: Any) -> int:
    """Length of a batch's first entry; 0 if that is no tensor."""
    if isinstance(batch, tuple | list):
        first = batch[0]
    else:
        first = next(iter(batch.values()), None) if isinstance(batch, dict) else batch
    return first.shape[0] if isinstance(first, Tensor) and first.ndim > 0 else 0


def norm(tensors: list[Tensor]) -> Tensor:
    """Euclidean norm of all entries together, a scalar on the tensors' device."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor.float()) for tensor in tensors]))
