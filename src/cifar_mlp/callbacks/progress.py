"""Progress for a log file: a line an epoch instead of a bar."""

import time

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar


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
