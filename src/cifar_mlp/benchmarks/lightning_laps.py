"""The laps of a Lightning trainer."""

from typing import Any

from lightning.pytorch import Callback, LightningModule
from torch import nn

from cifar_mlp.benchmarks.laps import Laps
from cifar_mlp.benchmarks.problem import Problem, weights_of


class LapsOfTrainer(Callback):
    """A lap lasts from the start of an epoch to the start of the next.

    Args:
        problem: What is trained.
        laps: Who is told.
    """

    def __init__(self, problem: Problem, laps: Laps) -> None:
        self.problem, self.laps = problem, laps
        self._looks = FirstSteps(self)

    def network_of(self, pl_module: LightningModule) -> nn.Module:
        """Where the affine maps are."""
        return pl_module

    def on_train_start(self, trainer: Any, pl_module: LightningModule) -> None:
        """Look at the network after some steps of the first lap."""
        trainer.callbacks = [*trainer.callbacks, self._looks]

    def on_train_epoch_start(self, trainer: Any, pl_module: LightningModule) -> None:
        """End one lap, begin the next."""
        if trainer.current_epoch:
            self._end(trainer, pl_module)
        self.laps.start()

    def on_train_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """End the last lap."""
        self._end(trainer, pl_module)

    def _end(self, trainer: Any, pl_module: LightningModule) -> None:
        self.laps.end()
        if self._looks in trainer.callbacks:
            trainer.callbacks = [callback for callback in trainer.callbacks if callback is not self._looks]
            self.laps.see("epoch", weights_of(self.network_of(pl_module)))


class FirstSteps(Callback):
    """Hands the network over after some steps; in no later lap's way."""

    def __init__(self, owner: LapsOfTrainer) -> None:
        self._owner = owner

    def on_train_batch_end(self, trainer: Any, pl_module: LightningModule, *_: Any) -> None:
        """Look when the time has come."""
        if trainer.global_step == self._owner.problem.check_steps:
            self._owner.laps.see("steps", weights_of(self._owner.network_of(pl_module)))
