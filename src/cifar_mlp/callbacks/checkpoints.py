"""The two checkpoints that every run keeps, best and last, and the step that a test of one is logged at."""

import shutil
import sys
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from cifar_mlp.callbacks.board import prefix_of
from cifar_mlp.common.atomic_write import replacing


class BestCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt``: the first epoch with the highest validation accuracy.

    Args:
        monitor: Metric to maximize, without the source's prefix.
    """

    on_train_batch_end = Callback.on_train_batch_end  # Lightning's would look at each step whether to save

    def __init__(self, monitor: str = "val/accuracy") -> None:
        super().__init__(filename="best", monitor=monitor, mode="max", enable_version_counter=False)
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Get the metric's full name from the module."""
        super().setup(trainer, pl_module, stage)
        prefix = prefix_of(pl_module)
        if self.monitor is not None and not self.monitor.startswith(prefix):
            self.monitor = prefix + self.monitor

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

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        """Save; pictures of a test of another epoch are out of date now."""
        super()._save_checkpoint(trainer, filepath)
        _forget_test(trainer, filepath)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Find the best checkpoint in this folder, even if the folder was renamed since; else bring it along."""
        if state_dict["best_model_score"] is None:  # before any validation: whatever was kept, the next one is better
            return
        here, there = Path(self.dirpath or "") / "best.ckpt", Path(state_dict["best_model_path"])
        if self.dirpath is not None and not here.exists() and there.is_file():
            here.parent.mkdir(parents=True, exist_ok=True)
            with replacing(here) as unfinished:
                shutil.copyfile(there, unfinished)
        if self.dirpath is not None and state_dict["best_model_path"] and here.is_file():
            path, score = str(here), state_dict["best_model_score"]
            paths = {"best_model_path": path, "kth_best_model_path": path, "best_k_models": {path: score}}
            state_dict = {**state_dict, **paths, "dirpath": self.dirpath}
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]

    def on_train_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """If training stopped before any validation, save its end as the best."""
        if not self.best_model_path and self.dirpath is not None and not trainer.fast_dev_run:
            self.best_model_path = str(Path(self.dirpath) / "best.ckpt")
            trainer.save_checkpoint(self.best_model_path)


class LastCheckpoint(ModelCheckpoint):
    """Keeps ``last.ckpt``: the end of the latest epoch, and the very last step if training stops between epochs.

    It saves when the next epoch or step begins: all that the one before has logged is then on disk, and its
    validation, schedules and callbacks are in the checkpoint.

    Args:
        every_n_train_steps: Also save every so many steps; null saves at the end of epochs only.
    """

    # Where Lightning would save
    on_train_batch_end = Callback.on_train_batch_end
    on_validation_end = Callback.on_validation_end
    on_train_epoch_end = Callback.on_train_epoch_end

    def __init__(self, every_n_train_steps: int | None = None) -> None:
        super().__init__(
            filename="last",
            monitor=None,
            every_n_train_steps=every_n_train_steps,
            every_n_epochs=None if every_n_train_steps else 1,
            enable_version_counter=False,
        )
        self._every = every_n_train_steps
        self._ended = False

    def on_train_start(self, trainer: Any, pl_module: LightningModule) -> None:
        """A resumed run has nothing new to save yet."""
        self._last_global_step_saved, self._ended = trainer.global_step, False

    def on_train_epoch_start(self, trainer: Any, pl_module: LightningModule) -> None:
        """Save the epoch before."""
        self._save(trainer)

    def on_train_batch_start(self, trainer: Any, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Save every so many steps."""
        if self._every is not None and trainer.global_step % self._every == 0:
            self._save(trainer)

    def steps_alone(self, trainer: Any) -> int:
        """All before the next one that begins with a checkpoint."""
        return sys.maxsize if self._every is None else -trainer.global_step % self._every

    def on_train_end(self, trainer: Any, pl_module: LightningModule) -> None:
        """Save the end, marked as such."""
        self._last_global_step_saved, self._ended = -1, True
        self._save(trainer)

    def on_exception(self, trainer: Any, pl_module: LightningModule, exception: BaseException) -> None:
        """Save where SIGTERM has stopped training between two steps; note how to continue."""
        together = trainer.world_size == 1 or not trainer.received_sigterm  # else each process may be at another step
        if isinstance(exception, SIGTERMException) and trainer.training and together:
            self._save(trainer)
        last = Path(self.dirpath or "") / "last.ckpt"
        if last.is_file() and isinstance(exception, SIGTERMException | KeyboardInterrupt):
            exception.add_note(f"resume with: cifar-mlp fit --ckpt_path {last}")

    def _save(self, trainer: Any) -> None:
        if self._last_global_step_saved == trainer.global_step or trainer.fast_dev_run:
            return
        for logger in trainer.loggers:
            logger.save()  # a killed process loses what its loggers hold back
        self._last_global_step_saved = trainer.global_step
        self.best_model_path = str(Path(self.dirpath or "") / "last.ckpt")
        trainer.save_checkpoint(self.best_model_path)
        if not any(isinstance(callback, BestCheckpoint) for callback in trainer.checkpoint_callbacks):
            _forget_test(trainer, self.best_model_path)  # without validation this is the one that is tested

    def on_save_checkpoint(self, trainer: Any, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Count the epoch as at its end, whenever the checkpoint is saved; say whether training has ended."""
        checkpoint["epoch"] = max(trainer.fit_loop.epoch_progress.current.started - 1, 0)
        checkpoint["ended"] = self._ended


def _forget_test(trainer: Any, saved: str) -> None:
    """Remove the pictures of a test of the checkpoint that has just been replaced."""
    if trainer.is_global_zero:
        for picture in (Path(saved).parent.parent / "pictures").glob("test_*.png"):
            picture.unlink()


class CheckpointStep(Callback):
    """Logs the metrics and pictures of ``trainer.test(ckpt_path=...)`` at the checkpoint's step, not at 0."""

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Continue the checkpoint's count; a fit does so anyway."""
        if trainer.state.fn != "fit":
            count_from(trainer, checkpoint)


def count_from(trainer: Any, checkpoint: dict[str, Any]) -> None:
    """Set a trainer's counters of epochs and steps to a checkpoint's.

    New points then have the step of the validation before the checkpoint, whether the checkpoint was saved before or
    after the fit advanced its own count.
    """
    state = checkpoint["loops"]["fit_loop"]
    logged_at = {"_batches_that_stepped": max(checkpoint["global_step"] - 1, 0)}
    trainer.fit_loop.load_state_dict(
        {**state, "epoch_loop.state_dict": {**state["epoch_loop.state_dict"], **logged_at}}
    )
