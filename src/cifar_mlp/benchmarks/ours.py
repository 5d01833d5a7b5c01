"""This package as its user runs it: ``cifar-mlp fit`` with a card, and everything that is on by default."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint

from cifar_mlp import cli
from cifar_mlp.benchmarks.laps import Laps
from cifar_mlp.benchmarks.lightning_laps import LapsOfTrainer
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.callbacks.view import View

EPOCH_HOOKS = ("on_train_epoch_start", "on_train_epoch_end", "on_train_end")
"""Whatever runs at every step counts as training, whoever's it is."""


RACING: ContextVar[tuple[Problem, Laps]] = ContextVar("RACING")
"""What the callback below races for: the command line makes it, and can hand it nothing but text."""

SILENT = ("--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--views.all", "false")


def train(problem: Problem, laps: Laps, more: Sequence[str] = ()) -> None:
    """``fit``; validation, checkpoints and pictures are reported apart.

    Args:
        problem: What is trained.
        laps: Who is told.
        more: Further options of ``fit``.
    """
    token = RACING.set((problem, laps))
    try:
        cli.run([*arguments(problem, laps.count), *more])
    finally:
        RACING.reset(token)


def arguments(problem: Problem, epochs: int) -> list[str]:
    """The command, as typed after ``cifar-mlp``."""
    options = {
        "--config": problem.card,
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
        "--trainer.callbacks+": f"{__name__}.LapsOfFit",
    }
    return ["fit", *(str(word) for option in options.items() for word in option)]


class LapsOfFit(LapsOfTrainer):
    """Beside the laps: starts the network as everybody does, and tells apart what is no training step."""

    def __init__(self) -> None:
        super().__init__(*RACING.get())

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Copy the starting weights in; have validation, checkpoints and pictures timed apart."""
        with torch.no_grad():
            given = self.problem.network().parameters()
            for mine, theirs in zip(pl_module.network.parameters(), given, strict=True):
                mine.copy_(theirs)
        clock = self.laps.clock
        clock.watch(trainer.fit_loop.epoch_loop.val_loop, "run", "validation")
        for callback in trainer.callbacks:
            part = part_of(callback)
            for hook in EPOCH_HOOKS if part else ():
                clock.watch(callback, hook, part)

    def network_of(self, pl_module: LightningModule) -> torch.nn.Module:
        """Without the metrics and the preprocessing."""
        network: torch.nn.Module = pl_module.network  # type: ignore[assignment]
        return network


def part_of(callback: Callback) -> str:
    """What a callback's hooks between epochs are reported as; nothing for what belongs to training."""
    if isinstance(callback, ModelCheckpoint):
        return "checkpoints"
    return "pictures" if isinstance(callback, View) else ""
