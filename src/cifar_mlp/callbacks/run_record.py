"""How a run came to be: its provenance as a file, in every checkpoint, and as text in TensorBoard."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from cifar_mlp.callbacks.board import Board
from cifar_mlp.callbacks.other_loggers import takes_pictures
from cifar_mlp.callbacks.view import BoardCallback, View
from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.json_files import read_json
from cifar_mlp.common.provenance import provenance

RECORDS = "provenance.json"
PACKAGES = ("torch", "lightning", "torchmetrics", "numpy", "scikit-learn", "matplotlib", "tensorboard")


class RunRecord(Callback):
    """Writes ``config.yaml`` and ``provenance.json`` into the run's folder when training begins.

    The second is a list with one record for each time the run was started. Every checkpoint holds the last record and
    the config. A run that continues keeps its first config and gets one more; its results of before are set aside.

    Args:
        seed: The run's one seed.
        command: How the run was started.
        config: All settings, as YAML.

    Attributes:
        how: What computes the steps, in words: gradients and loop.
    """

    def __init__(self, seed: int, command: str, config: str = "") -> None:
        self.seed, self.command, self.config = seed, command, config
        self.how: dict[str, str] = {}
        self._before: list[dict[str, Any]] = []
        self._record: dict[str, Any] = {}
        self._started = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record code, machine and settings."""
        self._started = time.perf_counter()
        self._record = {
            "command": self.command,
            "seed": self.seed,
            "precision": trainer.precision,
            "accelerator": type(trainer.accelerator).__name__,
            "processes": trainer.world_size,
            **self.how,
            **provenance(trainer.strategy.root_device),
        }
        data: Any = getattr(trainer, "datamodule", None)
        if facts := getattr(getattr(data, "source", None), "facts", None):  # of images that nobody else knows
            self._record["data"] = facts

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record where this part of the run begins, set aside what an earlier part has tested, print the folder."""
        self._record["from_step"] = trainer.global_step
        if matmuls := getattr(pl_module, "decided_matmuls", None):
            self._record["matmuls"] = dict(matmuls)
        folder = _folder(trainer)
        if folder is not None:
            print(f"run folder: {folder}{_where_pictures_go(trainer, folder)}", flush=True)
            self._before = records(folder)
            if self.config:
                write_whole(self.config, folder / (next_config(folder) if self._before else "config.yaml"))
            self._write(folder)
            set_results_aside(folder, len(self._before))
        elif trainer.is_global_zero and not getattr(trainer, "fast_dev_run", False):
            places = {str(kept.dirpath) for kept in trainer.checkpoint_callbacks if isinstance(kept, ModelCheckpoint)}
            kept = "".join(f"; checkpoints replace those in {place}" for place in sorted(places))
            print(f"no run folder: curves, pictures and the run's record are not kept{kept}", flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add how long it took."""
        self._record["fit_seconds"] = round(time.perf_counter() - self._started, 2)
        self._record["epochs"] = trainer.current_epoch
        self._record["steps"] = trainer.global_step
        folder = _folder(trainer)
        if folder is not None:
            self._write(folder)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the record and the config into the checkpoint too."""
        checkpoint["provenance"], checkpoint["config"] = dict(self._record), self.config

    def _write(self, folder: Path) -> None:
        write_whole(json.dumps([*self._before, self._record], indent=2) + "\n", folder / RECORDS)


def records(folder: Path) -> list[dict[str, Any]]:
    """The records in a run's folder, oldest first; empty without any.

    Raises:
        ValueError: If the file is damaged; names it.
    """
    file = folder / RECORDS
    if not file.is_file():
        return []
    content = read_json(file, list | dict)
    return content if isinstance(content, list) else [content]  # it was once the last record alone


def next_config(folder: Path) -> str:
    """The file name for the config of a run that continues: the first one stays."""
    number = 2
    while (folder / f"config_{number}.yaml").exists():
        number += 1
    return f"config_{number}.yaml"


def set_results_aside(folder: Path, number: int) -> None:
    """Rename the results of a run that continues, so that none stand beside checkpoints that they do not describe.

    Args:
        folder: The run's.
        number: Which part of the run they are of, counted from 1.
    """
    results = folder / "results.json"
    if results.is_file():
        results.replace(folder / f"results_{number}.json")


def _folder(trainer: Trainer) -> Path | None:
    """The run's folder; ``None`` without a logger, and on every process but the first."""
    log_dir = trainer.log_dir  # a broadcast: every process must ask
    if log_dir is None or trainer.logger is None or not trainer.is_global_zero:
        return None
    Path(log_dir).mkdir(parents=True, exist_ok=True)
    return Path(log_dir)


def _where_pictures_go(trainer: Trainer, folder: Path) -> str:
    """Says it where a view draws and a logger takes no pictures."""
    drawing = any(isinstance(callback, View) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    others = [logger for logger in trainer.loggers if not isinstance(logger, TensorBoardLogger)]
    without = " and ".join(type(logger).__name__ for logger in others if not takes_pictures(logger))
    return f"; {without} takes no pictures, they are in {folder / 'pictures'}" if drawing and without else ""


class RunText(BoardCallback):
    """Writes the texts ``run/config``, ``run/commit``, ``run/provenance`` and ``run/environment``."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write them at the step that this run starts or resumes from; its files have been written by now."""
        self.attempt(self._write, trainer, pl_module)

    def _write(self, trainer: Any, pl_module: Any, board: Board) -> None:
        folder, device = board.folder_if_any, trainer.strategy.root_device
        facts = [] if folder is None else records(folder)
        if facts and not board.takes_texts:
            return  # config.yaml and provenance.json say it all
        facts = facts or [provenance(device)]
        texts = {
            "commit": f"`{facts[-1].get('commit') or 'not from a git checkout'}`",
            "provenance": table(facts[-1]),
            "environment": table(environment(device)),
        }
        if folder is not None and (config := folder / "config.yaml").is_file():
            texts["config"] = code(config.read_text())
        for name, text in texts.items():
            board.text(f"run/{name}", text, trainer.global_step)


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
