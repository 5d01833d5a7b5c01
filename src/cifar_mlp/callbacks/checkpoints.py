"""The two checkpoints that every run keeps: the best by validation accuracy, and the last."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.rank_zero import rank_zero_warn


class BestCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt``: the first epoch of the highest validation accuracy.

    Args:
        monitor: Metric to maximize, without the source's prefix.
    """

    def __init__(self, monitor: str = "val/accuracy") -> None:
        super().__init__(filename="best", monitor=monitor, mode="max", enable_version_counter=False)
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn the metric's full name from the module."""
        super().setup(trainer, pl_module, stage)
        named = getattr(pl_module, "metric_name", None)
        if named is not None and self.monitor is not None and not self.monitor.startswith(named("")):
            self.monitor = named(self.monitor)

    def on_validation_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """Save a better epoch; a module that does not log the metric has no best epoch, and hears so once."""
        if self.monitor in trainer.callback_metrics:
            super().on_validation_end(trainer, pl_module)
        elif not trainer.sanity_checking and not self._told:
            self._told = True
            names = ", ".join(sorted(trainer.callback_metrics))
            rank_zero_warn(f"best.ckpt will hold the last epoch: the module does not log {self.monitor} but {names}")

    def on_train_epoch_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """The same, where Lightning saves at an epoch's end."""
        if self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the best so far where it lies here, whatever this folder was called when it was saved."""
        here = Path(self.dirpath or "") / "best.ckpt"
        if self.dirpath is not None and state_dict["best_model_path"] and here.is_file():
            path, score = str(here), state_dict["best_model_score"]
            paths = {"best_model_path": path, "kth_best_model_path": path, "best_k_models": {path: score}}
            state_dict = {**state_dict, **paths, "dirpath": self.dirpath}
        super().load_state_dict(state_dict)

    def on_train_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """Where training stopped before any validation, the end is all there is to choose from."""
        if not self.best_model_path and self.dirpath is not None and not trainer.fast_dev_run:
            self.best_model_path = str(Path(self.dirpath) / "best.ckpt")
            trainer.save_checkpoint(self.best_model_path)


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt``: the end of the latest epoch, and the very last step where training stops between epochs.

    Args:
        every_n_train_steps: Save after every so many steps too; null saves at the end of epochs only.
    """

    def __init__(self, every_n_train_steps: int | None = None) -> None:
        super().__init__(
            filename="last",
            monitor=None,
            every_n_train_steps=every_n_train_steps,
            every_n_epochs=None if every_n_train_steps else 1,
            enable_version_counter=False,
        )

    def on_train_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """Save what a step limit has cut off from the last epoch."""
        if self._last_global_step_saved != trainer.global_step and not trainer.fast_dev_run:
            assert self.dirpath is not None
            trainer.save_checkpoint(Path(self.dirpath) / "last.ckpt")
