"""How far a step moves each layer's weights, relative to their size."""

import sys
from typing import Any

from torch import Tensor

from cifar_mlp.callbacks.board import WITHIN
from cifar_mlp.callbacks.histograms import layer_name
from cifar_mlp.callbacks.step_points import StepPoints

TINY = 1e-12  # a layer that starts at zero


class UpdateRatios(StepPoints):
    """Logs ``within/update_ratio/WEIGHT``: the norm of a step's change over the weight's norm; near 1e-3 is usual.

    Biases are left out.

    Args:
        every_n_steps: Optimizer steps between two points.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        super().__init__(every_n_steps)
        self._step = 0
        self._before: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget an earlier fit; say so if there is no logger."""
        super().on_train_start(trainer, pl_module)
        self._before = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Keep the weights of a step that is shown."""
        if trainer.global_step % self.every_n_steps == 0 and trainer.loggers and not self._before:
            weights = ((name, value) for name, value in pl_module.named_parameters() if value.ndim > 1)
            self._step = trainer.global_step
            self._before = {layer_name(name): value.detach().clone() for name, value in weights}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Compare them with those after the step."""
        if self._before and trainer.global_step > self._step:  # a step may take several batches
            now = {layer_name(name): value.detach() for name, value in pl_module.named_parameters()}
            with self.guarded(pl_module):
                ratios: dict[str, Tensor | float] = {
                    f"{WITHIN}/update_ratio/{name}": (now[name] - value).float().norm()
                    / value.float().norm().clamp(min=TINY)
                    for name, value in self._before.items()
                }
                self.add(self._step, ratios)
            self._before = {}

    def steps_alone(self, trainer: Any) -> int:
        """All before the next step that is shown."""
        return 0 if self._before else -trainer.global_step % self.every_n_steps if trainer.loggers else sys.maxsize
