"""Training, testing and predicting stop where the numbers are no numbers any more."""

import math
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from cifar_mlp.callbacks.board import parameter_group


class NotFiniteError(ValueError):
    """The loss or the network's answer is infinite or not a number."""


class StopAtNotFinite(Callback):
    """Stops a training whose loss is not finite, before any checkpoint is saved, at the epoch's end at the latest.

    A step keeps its loss where it is. It is read when an epoch ends and when a checkpoint is saved, so that no step
    waits for a GPU: a loss that is not a number leaves parameters that are none, and all later losses are none either.
    """

    def __init__(self) -> None:
        self._loss: Tensor | None = None
        self._epoch = -1

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Keep the loss."""
        self._loss = outputs["loss"] if isinstance(outputs, dict) and "loss" in outputs else None

    def steps_alone(self, trainer: Any) -> int:
        """It need not see any: what a step has lost, the epoch's last one has lost too."""
        return sys.maxsize

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Read the loss, and every metric that is called a loss."""
        losses = [float(value) for name, value in trainer.callback_metrics.items() if name.endswith("loss")]
        self._require_finite(trainer, all(map(math.isfinite, losses)) and self._last_is_finite())

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Refuse to save a network that has lost its numbers over one that has not, under any callback."""
        state = checkpoint.get("state_dict", {}).values()
        nan = any(value.is_floating_point() and bool(value.isnan().any()) for value in state)
        self._require_finite(trainer, not nan and self._last_is_finite())

    def _last_is_finite(self) -> bool:
        return self._loss is None or bool(torch.isfinite(self._loss).all())

    def _require_finite(self, trainer: Any, finite: bool) -> None:
        if trainer.strategy.reduce_boolean_decision(finite, all=True):  # all processes stop, or none
            return
        rate = parameter_group(trainer).get("lr")
        raise NotFiniteError(
            f"the loss is not finite at step {trainer.global_step} (epoch {trainer.current_epoch + 1}, learning rate "
            f"{rate}): try a smaller --model.optimizer.lr, or --trainer.gradient_clip_val 1; {_last_good(trainer)}"
        )

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Refuse a network whose loss on the test images is not a number."""
        _require_metrics(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """The same for ``validate`` alone; a fit looks when its epoch ends."""
        if trainer.state.fn == "validate":
            _require_metrics(trainer)

    def on_predict_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Refuse a network that answers what is not a number."""
        if isinstance(outputs, Tensor) and not torch.isfinite(outputs).all():
            raise NotFiniteError("the network answers with numbers that are not finite: use another checkpoint")


def _require_metrics(trainer: Any) -> None:
    for name, value in trainer.callback_metrics.items():
        if name.endswith("loss") and not torch.isfinite(value).all():
            raise NotFiniteError(
                f"{name} is {float(value)}: the network's numbers are not finite: use another checkpoint"
            )


def _last_good(trainer: Any) -> str:
    """The newest checkpoint that this run has saved before; a resumed callback can name another run's."""
    callbacks = trainer.checkpoint_callbacks
    named = [(callback, getattr(callback, "last_model_path", "")) for callback in callbacks]
    named += [(callback, getattr(callback, "best_model_path", "")) for callback in reversed(callbacks)]
    own = [
        path
        for callback, path in named
        if path and Path(callback.dirpath or "").resolve() == Path(path).resolve().parent
    ]
    found = next((path for path in own if Path(path).is_file()), None)
    return "no checkpoint was saved" if found is None else f"the last good checkpoint is {found}"
