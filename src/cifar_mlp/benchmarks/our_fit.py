"""This package as its users run it: ``cifar-mlp fit`` with a config and everything that is on by default."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from cifar_mlp import cli
from cifar_mlp.benchmarks.epochs import EpochTimer, TimeEpochs
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.callbacks.view import View

EPOCH_HOOKS = ("on_train_epoch_start", "on_train_epoch_end", "on_train_end")
"""Only these are timed separately: whatever runs at every step counts as training."""

SEPARATE: dict[type[Callback], str] = {ModelCheckpoint: "checkpoints", View: "pictures"}
"""What callbacks do between epochs is reported under these names."""

SILENT = ("--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--views.all", "false")

TIMER: ContextVar[EpochTimer] = ContextVar("TIMER")
"""The current benchmark's, for the callback below: the command line builds it and can pass it only text."""


def train(problem: Problem, timer: EpochTimer, more: Sequence[str] = ()) -> None:
    """Run ``fit``, with ``more`` options; validation, checkpoints and pictures are timed separately."""
    TIMER.set(timer)
    cli.run([*arguments(problem, timer.epochs), *more])


def arguments(problem: Problem, epochs: int) -> list[str]:
    """The command line after ``cifar-mlp``."""
    options = {
        "--config": problem.config,
        "--seed_everything": problem.seed,
        "--data.source": problem.data.source.name,
        "--data.cache_dir": problem.scratch / "cache",
        "--data.batch_size": problem.batch_size,
        "--data.n_components": "null" if problem.components is None else problem.components,
        "--model.hidden_sizes": list(problem.hidden_sizes),
        "--trainer.max_epochs": epochs,
        "--trainer.accelerator": problem.device,
        "--trainer.precision": "bf16-mixed" if problem.half else "32-true",
        "--trainer.default_root_dir": problem.scratch / "runs",
        "--trainer.callbacks+": f"{__name__}.TimeOurEpochs",
    }
    return ["fit", *(str(word) for option in options.items() for word in option)]


class TimeOurEpochs(TimeEpochs):
    """Also sets the common starting weights, and times separately what is not a training step."""

    def __init__(self) -> None:
        super().__init__(TIMER.get())

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Copy the starting weights; wrap validation and the hooks between epochs."""
        with torch.no_grad():
            start = self.timer.problem.network().parameters()
            for parameter, given in zip(pl_module.network.parameters(), start, strict=True):
                parameter.copy_(given)
        self.timer.time_separately(trainer.fit_loop.epoch_loop.val_loop, "run", "validation")
        for callback in trainer.callbacks:
            for kind, name in SEPARATE.items():
                for hook in EPOCH_HOOKS if isinstance(callback, kind) else ():
                    self.timer.time_separately(callback, hook, name)
