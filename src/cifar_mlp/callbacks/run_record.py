"""How a run came to be: its provenance as a file, in every checkpoint, and as text in TensorBoard."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from cifar_mlp.callbacks.board import Board
from cifar_mlp.callbacks.view import BoardCallback
from cifar_mlp.common import markdown
from cifar_mlp.common.provenance import provenance

PACKAGES = ("torch", "lightning", "torchmetrics", "numpy", "scikit-learn", "matplotlib", "tensorboard")


class RunRecord(Callback):
    """Writes ``provenance.json`` into the run's folder, and the same into every checkpoint.

    Args:
        seed: The run's one seed.
        command: How the run was started.
    """

    def __init__(self, seed: int, command: str) -> None:
        self.seed, self.command = seed, command
        self._record: dict[str, Any] = {}
        self._started = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record code, machine and settings, and print the run's folder."""
        self._started = time.perf_counter()
        self._record = {
            "command": self.command,
            "seed": self.seed,
            "precision": trainer.precision,
            "accelerator": type(trainer.accelerator).__name__,
            **provenance(trainer.strategy.root_device),
        }
        folder = self._write(trainer)
        if folder is not None:
            print(f"run folder: {folder}", flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add how long it took."""
        self._record["fit_seconds"] = round(time.perf_counter() - self._started, 2)
        self._record["epochs"] = trainer.current_epoch
        self._record["steps"] = trainer.global_step
        self._write(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the record into the checkpoint too."""
        checkpoint["provenance"] = dict(self._record)

    def _write(self, trainer: Trainer) -> Path | None:
        log_dir = trainer.log_dir  # a broadcast: every process must ask
        if log_dir is None or trainer.logger is None or not trainer.is_global_zero:
            return None
        folder = Path(log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "provenance.json").write_text(json.dumps(self._record, indent=2) + "\n")
        return folder


class RunText(BoardCallback):
    """Writes the texts ``run/config``, ``run/commit``, ``run/provenance`` and ``run/environment``."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write them at the step that this run starts or resumes from; its files have been written by now."""
        self.attempt(self._write, trainer, pl_module)

    def _write(self, trainer: Any, pl_module: Any, board: Board) -> None:
        config, record = board.folder / "config.yaml", board.folder / "provenance.json"
        device = trainer.strategy.root_device
        facts = json.loads(record.read_text()) if record.is_file() else provenance(device)
        texts = {
            "commit": f"`{facts.get('commit') or 'not from a git checkout'}`",
            "provenance": table(facts),
            "environment": table(environment(device)),
        }
        if config.is_file():
            texts["config"] = code(config.read_text())
        for name, text in texts.items():
            board.writer.add_text(f"run/{name}", text, trainer.global_step)


def environment(device: torch.device) -> dict[str, str]:
    """The machine, and the versions of the packages that a run depends on."""
    facts = {name: str(value) for name, value in provenance(device).items() if name in ("device", "python", "threads")}
    facts |= {"system": platform.platform(), **{package: version(package) for package in PACKAGES}}
    return facts | {"torch": str(torch.__version__)}  # names the build too


def table(facts: dict[str, Any]) -> str:
    """A Markdown table of two columns."""
    return markdown.table(("", ""), [(name, str(value)) for name, value in facts.items()], words=2)


def code(text: str) -> str:
    """Text as a Markdown code block."""
    return "\n".join(f"    {line}" for line in text.splitlines())
