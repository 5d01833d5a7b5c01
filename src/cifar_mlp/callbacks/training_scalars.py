"""Curves of a training beside its metrics."""

import sys
import time
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.callbacks.board import WITHIN, NotDrawn, last_step, parameter_group
from cifar_mlp.callbacks.step_points import Point, StepPoints


class TrainingScalars(StepPoints):
    """Logs ``train/batch_loss``, and ``within/``: learning_rate, gradient_norm, weight_norm, images_per_second.

    Norms are Euclidean over all parameters together; the gradient is the one that the step used. The speed is that of
    a whole epoch, without validation.

    Args:
        every_n_steps: Optimizer steps between two points; each epoch's last step is a point too.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        super().__init__(every_n_steps)
        self._images = 0
        self._seconds = 0.0
        self._since = 0.0
        self._last_step = -1
        self._learning_rate: float | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Say so if there is no logger, or no learning rate to log."""
        super().on_train_start(trainer, pl_module)
        self._last_step = -1
        self._images, self._seconds, self._since = 0, 0.0, time.perf_counter()  # an epoch may continue in its middle
        with self.guarded(pl_module):
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
        if self._images == 0:
            self.warn("images_per_second needs batches that begin with a tensor")
        step = trainer.global_step - 1
        due = step % self.every_n_steps == 0 or trainer.is_last_batch
        if due and step != self._last_step and trainer.loggers:
            self._last_step = step
            with self.guarded(pl_module):
                self.add(step, self._point(pl_module, outputs))

    def steps_alone(self, trainer: Any) -> int:
        """All before the next point."""
        return -trainer.global_step % self.every_n_steps if trainer.loggers else sys.maxsize

    def after_steps_alone(self, images: int) -> None:
        """Count the images of steps that it has not seen."""
        self._images += images

    def _point(self, pl_module: Any, outputs: Any) -> Point:
        parameters = list(pl_module.parameters())
        point: Point = {}
        if self._learning_rate is not None:
            point[f"{WITHIN}/learning_rate"] = self._learning_rate
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            point[f"{WITHIN}/gradient_norm"] = norm(gradients)
        if isinstance(outputs, dict) and "loss" in outputs:
            point["train/batch_loss"] = outputs["loss"].detach()
        point[f"{WITHIN}/weight_norm"] = norm([parameter.detach() for parameter in parameters])
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
        if self._images and trainer.loggers and seconds > 0:
            speed = self._images * trainer.world_size / seconds
            self.add(last_step(trainer), {f"{WITHIN}/images_per_second": speed})
        super().on_train_epoch_end(trainer, pl_module)


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
