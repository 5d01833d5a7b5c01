"""What a run's folder says about how it came to be."""

import json
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from cifar_mlp.common.provenance import provenance


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
        """Take down the state of things, and say which run this is."""
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
        """Let the checkpoint know too."""
        checkpoint["provenance"] = dict(self._record)

    def _write(self, trainer: Trainer) -> Path | None:
        log_dir = trainer.log_dir  # asked on every process: they agree on it by a broadcast
        if log_dir is None or trainer.logger is None or not trainer.is_global_zero:
            return None
        folder = Path(log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "provenance.json").write_text(json.dumps(self._record, indent=2) + "\n")
        return folder
