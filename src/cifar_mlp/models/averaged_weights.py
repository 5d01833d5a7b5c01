"""A running average of a network's weights, which everything but its training uses."""

import sys
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn


class AveragedWeights(Callback):
    """Averages the network's parameters and running moments over the steps, with exponentially falling weights.

    While it validates and when training has ended, the network holds the average, so pictures, checkpoints and exports
    are of the average. A checkpoint also keeps the weights that training continues with. The first steps count
    alike, so that the start does not linger: the decay of step n is at most n / (n + 9).

    Args:
        decay: Share of the former average that a step keeps, in (0, 1).
    """

    at_each_step = True  # of those that are taken alone too

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._steps = 0  # that the average has seen
        self._network: nn.Module | None = None
        self._aside: dict[str, Tensor] = {}  # the average, or while the network holds that, what is trained
        self._shows_average = False
        self._restored: dict[str, Any] | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin with the network as it is, or where the checkpoint was: its network is the average."""
        self._network = pl_module.network
        restored, self._restored = self._restored, None
        state = self._network.state_dict()
        aside = state if restored is None else restored["trained"]
        self._aside = {name: aside[name].to(value.device, copy=True) for name, value in state.items()}
        self._steps, self._shows_average = (0, False) if restored is None else (restored["steps"], True)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Train the trained weights."""
        self._show(average=False)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Take a step into the average."""
        if trainer.global_step <= self._steps:  # batches accumulate
            return
        self._steps = trainer.global_step
        share = max(1 - self.decay, 9 / (self._steps + 9))
        assert self._network is not None
        for name, value in self._network.state_dict().items():
            if value.is_floating_point():
                self._aside[name].lerp_(value, share)
            else:
                self._aside[name].copy_(value)

    def steps_alone(self, trainer: Any) -> int:
        """It looks at no batch."""
        return sys.maxsize

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Validate the average."""
        if trainer.state.fn == "fit":
            self._show(average=True)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Leave the average."""
        self._show(average=True)

    def _show(self, average: bool) -> None:
        if self._network is None or self._shows_average == average:
            return
        self._shows_average = average
        with torch.no_grad():
            for name, value in self._network.state_dict().items():
                other = self._aside[name].clone()
                self._aside[name].copy_(value)
                value.copy_(other)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs beside the average."""
        if self._network is None:
            return {}
        return {"steps": self._steps, "trained": self._aside if self._shows_average else self._network.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep it until the network is there."""
        self._restored = state_dict or None

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Save the average as the network."""
        if self._network is not None and not self._shows_average:
            checkpoint["state_dict"].update({f"network.{name}": value for name, value in self._aside.items()})
