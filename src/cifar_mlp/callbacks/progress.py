"""Progress that costs next to nothing: a bar for a terminal, a line an epoch for a log file."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar

STEPS_BETWEEN_UPDATES = 25
DRAWN_PER_SECOND = 4


class SparingProgressBar(RichProgressBar):
    """Rich's bar, updated every 25 training steps, and drawn four times a second.

    An update takes as long as a small network's step. The thread that draws wakes a hundred times a second unless told
    otherwise, and each time takes a core from the matrix products, whose other threads then wait for that one.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=DRAWN_PER_SECOND)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the bar if it is time."""
        if (batch_idx + 1) % STEPS_BETWEEN_UPDATES == 0 or trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


class EpochLines(ProgressBar):
    """Prints one line when an epoch has been validated; for output that is no terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._started = 0.0

    def disable(self) -> None:
        """Print nothing from now on."""
        self._enabled = False

    def enable(self) -> None:
        """Print again."""
        self._enabled = True

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's metrics."""
        if not self._enabled:
            return
        metrics = {name: value for name, value in trainer.callback_metrics.items() if name.endswith(SHOWN)}
        shown = "  ".join(f"{name} {float(value):.4f}" for name, value in sorted(metrics.items()))
        total = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
        seconds = time.perf_counter() - self._started
        print(f"epoch {trainer.current_epoch + 1}/{total}  {seconds:.1f} s  {shown}", flush=True)


SHOWN = ("train/loss", "val/loss", "val/accuracy")
