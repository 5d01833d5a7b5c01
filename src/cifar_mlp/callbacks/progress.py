"""Cheap progress: a bar on a terminal, a line for each epoch in a log file."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar
from rich.progress import BarColumn

STEPS_BETWEEN_UPDATES = 25
DRAWN_PER_SECOND = 4
BAR_WIDTH = 20  # characters; rich's own 40 leave no room for metrics beside it
SHOWN = ("train/loss", "val/loss", "val/accuracy")
SHOWN_IN_BAR = ("train/loss", "val/accuracy")


class SparingProgressBar(RichProgressBar):
    """Rich's bar, updated every 25 training steps and drawn four times a second.

    An update takes as long as a small network's step. By default the drawing thread wakes a hundred times a second,
    each time taking a core from a matmul whose other threads then wait.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=DRAWN_PER_SECOND)
        self._shown: dict[str, float] = {}
        self._validated = False

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        """Those of the last whole epoch: newer ones would wait for the GPU."""
        return self._shown

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """This epoch has been validated."""
        self._validated = True
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Show the epoch's metrics from now on."""
        metrics = shown_metrics(trainer, self._validated)
        self._shown = {name: value for name, value in metrics.items() if name.endswith(SHOWN_IN_BAR)}
        self._validated = False
        super().on_train_epoch_end(trainer, pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the bar every 25 steps."""
        if (batch_idx + 1) % STEPS_BETWEEN_UPDATES == 0 or trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def steps_alone(self, trainer: Any) -> int:
        """All before the next update."""
        return -(trainer.fit_loop.epoch_loop.batch_progress.current.ready + 1) % STEPS_BETWEEN_UPDATES

    def configure_columns(self, trainer: Any) -> list[Any]:
        """Lightning's, with room for the metrics."""
        columns: list[Any] = super().configure_columns(trainer)
        for column in columns:
            if isinstance(column, BarColumn):
                column.bar_width = BAR_WIDTH
        return columns

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{last_epoch(self.trainer)}".ljust(len(self.validation_description))


class EpochLines(ProgressBar):
    """Prints one line after each epoch's validation; for output that is not a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._validated = False
        self._started = 0.0

    def disable(self) -> None:
        """Print nothing from now on."""
        self._enabled = False

    def enable(self) -> None:
        """Print again."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of an epoch that is resumed in its middle."""
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock."""
        self._started = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """This epoch has been validated."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's metrics, with a dash for those that it did not reach."""
        metrics, self._validated = shown_metrics(trainer, self._validated), False
        if not self._enabled:
            return
        names = [name for name in sorted(trainer.callback_metrics) if name.endswith(SHOWN)]
        shown = "  ".join(f"{name} {metrics[name]:.4f}" if name in metrics else f"{name} -" for name in names)
        seconds = time.perf_counter() - self._started
        print(f"epoch {trainer.current_epoch + 1}/{last_epoch(trainer)}  {seconds:.1f} s  {shown}", flush=True)


def shown_metrics(trainer: Trainer, validated: bool) -> dict[str, float]:
    """The main metrics of the epoch that just ended, by name; not those that Lightning still has from an earlier one.

    Args:
        trainer: At an epoch's end.
        validated: Whether the epoch was validated.
    """
    fresh = {"train/loss": trainer.is_last_batch, "val/loss": validated, "val/accuracy": validated}
    return {
        name: float(value)
        for name, value in sorted(trainer.callback_metrics.items())
        if any(is_fresh and name.endswith(shown) for shown, is_fresh in fresh.items())
    }


def last_epoch(trainer: Trainer) -> int | str:
    """The number of epochs; ``?`` if steps or time decide."""
    return trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
