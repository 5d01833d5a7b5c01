"""Dropout masks that depend only on the seed and the step."""

import sys
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from cifar_mlp.common.seeds import derived_seed


class StepSeed(Callback):
    """Seeds PyTorch before every training step from (seed, step, rank) if the module has dropout.

    A run that is killed and resumed at any step then ends with the same bits, without any saved generator state.

    Args:
        seed: The run's one seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.needed = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for dropout."""
        self.needed = any(isinstance(module, torch.nn.Dropout) for module in pl_module.modules())

    def steps_alone(self, trainer: Any) -> int:
        """It sees no step, but seeds them all where that is needed."""
        return sys.maxsize

    @property
    def at_each_step(self) -> bool:
        """Whether there is anything to seed."""
        return self.needed

    def on_train_batch_start(self, trainer: Any, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed this step."""
        if self.needed:
            # batches, not optimizer steps: accumulated batches must not share masks
            done = trainer.fit_loop.epoch_loop.batch_progress.total.processed
            torch.manual_seed(derived_seed(self.seed, "step", done, trainer.global_rank))
