"""How training goes, in five curves."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from cifar_mlp.callbacks.board import prefix_of


class TrainingScalars(Callback):
    """Logs ``train/batch_loss``, ``learning_rate``, ``gradient_norm``, ``weight_norm`` and ``images_per_second``.

    Norms are Euclidean over all parameters together; the gradient is the one that the step took. The speed is that
    of a whole epoch of training, validation's time taken out. Within an epoch values stay where they were computed, so
    that no step waits for a GPU; they are written when the epoch ends, when a checkpoint is, and when training stops.

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
        self._learning_rate = 0.0
        self._points: list[tuple[int, dict[str, Tensor | float]]] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the epoch's clock."""
        self._images, self._seconds, self._since = 0, 0.0, time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Take the learning rate down before a schedule changes it."""
        self._learning_rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count images; at some steps take a point."""
        self._images += len(batch[0])
        step = trainer.global_step - 1
        due = step % self.every_n_steps == 0 or trainer.is_last_batch
        if not due or step == self._last_step or trainer.logger is None:
            return
        self._last_step = step
        parameters = list(pl_module.parameters())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        point: dict[str, Tensor | float] = {"learning_rate": self._learning_rate, "gradient_norm": norm(gradients)}
        if isinstance(outputs, dict) and "loss" in outputs:
            point["batch_loss"] = outputs["loss"].detach()
        point["weight_norm"] = norm([parameter.detach() for parameter in parameters])
        self._points.append((step, point))

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Stop the clock."""
        self._seconds += time.perf_counter() - self._since

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Let the clock go on."""
        self._since = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the epoch's speed, all processes together."""
        seconds = self._seconds + time.perf_counter() - self._since
        if trainer.logger is not None and seconds > 0:
            speed = self._images * trainer.world_size / seconds
            self._points.append((max(trainer.global_step - 1, 0), {"images_per_second": speed}))
        self._write(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Write what a run that goes on from here will not take again."""
        self._write(trainer, pl_module)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write what there is."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Any, pl_module: Any) -> None:
        points, self._points = self._points, []
        for step, point in points:
            named = {f"{prefix_of(pl_module)}train/{name}": float(value) for name, value in point.items()}
            trainer.logger.log_metrics(named, step=step)


def norm(tensors: list[Tensor]) -> Tensor:
    """Euclidean norm of all entries together, a scalar where the tensors are."""
    if not tensors:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor.float()) for tensor in tensors]))
