"""Lightning's loop over the batches of an epoch, without what a plain step has no use for."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loops.fetchers import _DataLoaderIterDataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor

from cifar_mlp.training.fast_optimizer import lean_optimizer, spare_capture_check

TRANSFER_HOOKS = ("on_before_batch_transfer", "on_after_batch_transfer")
STEP_HOOKS = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")
MODULE_HOOKS = (
    *TRANSFER_HOOKS,
    *STEP_HOOKS,
    "on_train_batch_start",
    "backward",
    "configure_gradient_clipping",
    "optimizer_step",
    "optimizer_zero_grad",
)


class LeanEpochLoop(_TrainingEpochLoop):
    """Takes the same steps as Lightning's loop, bit for bit and hook for hook, at a fraction of its overhead.

    A small network's step takes about a millisecond, and Lightning's generality around it as long again: closures in
    closures, a context for each hook of each callback, a search through the batch for tensors to move. Here only
    hooks that somebody wrote are called. Counters, schedules, logging and validation stay Lightning's own, so
    checkpoints and callbacks see no difference. Wherever ``obstacle`` finds that more is asked for (several devices,
    accumulated batches, clipped gradients, a loss scaler, a profiler, hooks within the step), Lightning's loop runs.
    """

    def on_run_start(self, data_fetcher: Any) -> None:
        """Find out what the epoch's steps need."""
        super().on_run_start(data_fetcher)
        trainer: Any = self.trainer
        self._is_lean = obstacle(trainer) is None and not isinstance(data_fetcher, _DataLoaderIterDataFetcher)
        self._at_start = [callback for callback in trainer.callbacks if _overrides(callback, "on_train_batch_start")]
        self._at_end = [
            callback
            for callback in trainer.callbacks
            if _overrides(callback, "on_train_batch_end") and not _saves_at_no_step(callback)
        ]
        if self._is_lean and self.trainer.lightning_module.automatic_optimization:
            self._optimizer = lean_optimizer(trainer.optimizers[0])
        if self._is_lean and trainer.strategy.root_device.type == "cpu":
            for optimizer in trainer.optimizers:
                spare_capture_check(optimizer)

    def advance(self, data_fetcher: Any) -> None:
        """One batch, one step."""
        if not self._is_lean or self.restarting:
            super().advance(data_fetcher)
            return
        trainer, progress = self.trainer, self.batch_progress
        module, logs, results = trainer.lightning_module, trainer._logger_connector, self._results
        self.val_loop.restarting = False
        batch, _, _ = next(data_fetcher)
        batch_idx = self.batch_idx + 1
        progress.is_last_batch = data_fetcher.done
        if not _lies_on(batch, trainer.strategy.root_device):
            batch = trainer.strategy.batch_to_device(batch)

        progress.increment_ready()
        logs._first_loop_iter = logs._first_loop_iter is None
        results.batch, results.batch_size, results.dataloader_idx = batch, None, None
        module._current_fx_name = "on_train_batch_start"
        for callback in self._at_start:
            callback.on_train_batch_start(trainer, module, batch, batch_idx)
        progress.increment_started()
        module._current_fx_name = "training_step"
        if module.automatic_optimization:
            outputs = self._step(module, batch, batch_idx)
        else:
            outputs = self.manual_optimization.run(self._build_kwargs({}, batch, batch_idx))  # type: ignore[arg-type]
        progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        if self._num_ready_batches_reached():
            self.update_lr_schedulers("epoch", update_plateau_schedulers=False)

        module._current_fx_name = "on_train_batch_end"
        for callback in self._at_end:
            callback.on_train_batch_end(trainer, module, outputs, batch, batch_idx)
        module.on_train_batch_end(outputs, batch, batch_idx)
        module._current_fx_name = None
        has_step_values = any(value.meta.on_step for value in results.values())
        if has_step_values:
            logs.on_batch_end()
        results.batch = results.batch_size = None
        progress.increment_completed()
        if has_step_values:
            logs.update_train_step_metrics()

    def _step(self, module: LightningModule, batch: Any, batch_idx: int) -> dict[str, Any]:
        optimizer = self._optimizer
        counts = self.automatic_optimization.optim_progress.optimizer
        counts.step.increment_ready()
        with self.trainer.precision_plugin.train_step_context():
            output = module.training_step(batch, batch_idx)
        if isinstance(output, Mapping):
            output = output["loss"]
        if not isinstance(output, Tensor):
            raise TypeError(f"training_step must return the loss as a tensor, or a dict with it, not {output!r}")
        counts.zero_grad.increment_ready()
        counts.zero_grad.increment_started()
        optimizer.zero_grad()
        counts.zero_grad.increment_completed()
        output.backward()
        optimizer.step()
        counts.step.increment_completed()
        return {"loss": output.detach()}


def use_lean_loop(trainer: Trainer) -> None:
    """Give the trainer this loop; its ``fit`` then takes the same steps, faster."""
    plain = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = LeanEpochLoop(trainer, min_steps=plain.min_steps, max_steps=plain.max_steps)


def obstacle(trainer: Any) -> str | None:
    """Why a trainer that is fitting needs Lightning's own loop; ``None`` where it does not."""
    module, data, precision = trainer.lightning_module, trainer.datamodule, trainer.precision_plugin
    plain_precision = type(precision) is Precision or (type(precision) is MixedPrecision and precision.scaler is None)
    reasons = {
        "its strategy": type(trainer.strategy) is not SingleDeviceStrategy,
        "its precision": not plain_precision,
        "accumulated batches": trainer.accumulate_grad_batches != 1,
        "clipped gradients": bool(trainer.gradient_clip_val),
        "its profiler": not isinstance(trainer.profiler, PassThroughProfiler),
        "hooks of its module": any(_overrides(module, hook) for hook in MODULE_HOOKS),
        "hooks of its data": data is not None and any(_overrides(data, hook) for hook in TRANSFER_HOOKS),
        "hooks of a callback": any(_overrides(callback, hook) for callback in trainer.callbacks for hook in STEP_HOOKS),
        "its optimizers": module.automatic_optimization and not _steps_alone(trainer.optimizers),
    }
    return next((reason for reason, found in reasons.items() if found), None)


def _steps_alone(optimizers: list[Any]) -> bool:
    """Whether there is one optimizer, and its step needs no closure (as LBFGS's does)."""
    if len(optimizers) != 1:
        return False
    closure = inspect.signature(type(optimizers[0]).step).parameters.get("closure")
    return closure is None or closure.default is None


def _saves_at_no_step(callback: Any) -> bool:
    """Whether it is a checkpoint that at a step's end only finds out that it has nothing to do."""
    return (
        isinstance(callback, ModelCheckpoint)
        and type(callback).on_train_batch_end is ModelCheckpoint.on_train_batch_end
        and not callback._every_n_train_steps
        and callback._train_time_interval is None
    )


def _overrides(thing: Any, hook: str) -> bool:
    for base in (Callback, LightningModule, LightningDataModule):
        if isinstance(thing, base):
            return getattr(type(thing), hook) is not getattr(base, hook) or hook in vars(thing)
    return True


def _lies_on(batch: Any, device: torch.device) -> bool:
    return isinstance(batch, tuple) and all(isinstance(part, Tensor) and part.device == device for part in batch)
