"""Lightning's loop over the batches of an epoch, resumed exactly where a checkpoint was taken.

Lightning's private names are used here and in ``fast_loop`` only, for the versions in ``TESTED_LIGHTNING``.
"""

from typing import Any

from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from cifar_mlp.data.loader import restored_position


class ExactEpochLoop(_TrainingEpochLoop):
    """Takes up the count of epochs and batches from a checkpoint that was taken anywhere in a training.

    Lightning resumes in a way of its own for each hook that a checkpoint may be saved in, and some of them skip a
    validation or a step of a schedule, count a batch twice, or run a second end of an epoch. Here a checkpoint
    becomes one of two states: all epochs whole, or so many batches within one. What was still to be done after its
    last batch, such as a validation, is done first.

    SIGTERM on one of several processes stops all of them before the same step. Lightning's answer is a broadcast within
    the signal's handler, which meets other exchanges of the processes halfway: they then wait for each other.
    """

    _outstanding = _stop_asked = False

    def __init__(self, trainer: Any, *limits: Any) -> None:
        super().__init__(trainer, *limits)
        self._restored_gradients: dict[str, Any] = {}
        self._hear_alone = trainer._signal_connector._sigterm_notifier_fn
        trainer._signal_connector._sigterm_notifier_fn = self._hear

    def _hear(self, number: int, frame: Any) -> None:
        if self.trainer.world_size == 1:
            self._hear_alone(number, frame)
        self._stop_asked = True

    def _broadcast_sigterm_tensor(self) -> None:
        """Called by every process before each step."""
        if self.trainer.strategy.reduce_boolean_decision(self._stop_asked, all=False):
            raise SIGTERMException

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Also keep the latest metrics, which schedules and callbacks may wait for, and gradients that add up."""
        metrics = {name: value.cpu() for name, value in self.trainer.callback_metrics.items()}
        return {**super().on_save_checkpoint(), "metrics": metrics, "gradients": self._gradients()}

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Take them up again."""
        super().on_load_checkpoint(state_dict)
        device = self.trainer.strategy.root_device
        metrics = {name: value.to(device) for name, value in state_dict.get("metrics", {}).items()}
        self.trainer._logger_connector._callback_metrics.update(metrics)
        self._restored_gradients = state_dict.get("gradients", {})

    def _gradients(self) -> dict[str, Any]:
        """Of the batches since the last step, by parameter; none where each batch is a step."""
        if not self._between_steps() or self.trainer.world_size > 1:
            return {}
        named = self.trainer.lightning_module.named_parameters()
        return {name: parameter.grad.cpu() for name, parameter in named if parameter.grad is not None}

    def _between_steps(self) -> bool:
        batches: Any = self.batch_progress
        more = batches.current.processed % self.trainer.accumulate_grad_batches != 0 and not batches.is_last_batch
        return more and self.trainer.lightning_module.automatic_optimization

    def _restore_gradients(self) -> None:
        module: Any = self.trainer.lightning_module
        for name, parameter in module.named_parameters():
            if name in self._restored_gradients:
                parameter.grad = self._restored_gradients[name].to(parameter.device)
        if self._restored_gradients and hasattr(module, "gather_gradients"):
            module.gather_gradients()
        if self._between_steps() and not self._restored_gradients:
            rank_zero_warn(
                "the checkpoint was taken between two steps of the optimizer (accumulate_grad_batches) and has not the "
                "gradients of the batches before it: the next step is taken without them"
            )
        self._restored_gradients = {}

    def load_state_dict(self, state_dict: dict[str, Any], prefix: str = "") -> None:
        """Restore, then bring all counts into one of the two states."""
        super().load_state_dict(state_dict, prefix)
        epochs: Any = self.trainer.fit_loop.epoch_progress
        batches: Any = self.batch_progress
        whole, done = restored_position(epochs.current, batches)
        within = done > 0 or epochs.current.started > whole
        # Saved while a batch ended, or while it was validated: before Lightning counted it among those that stepped
        counted = self._batches_that_stepped
        validation: Any = self.val_loop.batch_progress
        ended = batches.current.completed < batches.current.processed
        automatic = self.trainer.lightning_module.automatic_optimization
        self._outstanding = within and (ended or (automatic and counted < self.global_step))
        if batches.current.ready > batches.current.processed:  # saved as another batch began
            batches.is_last_batch = False
        validated = validation.is_last_batch and validation.current.completed == validation.current.ready
        self._skip_next_val = self._outstanding and not ended and validated
        for epoch in (epochs.total, epochs.current):
            epoch.ready = epoch.started = whole + within
            epoch.processed = epoch.completed = whole
        if not within and self.trainer.max_steps != -1:  # Lightning takes such a training for within an epoch
            batches.reset_on_run()
        for batch in (batches.total, batches.current):
            batch.ready = batch.started = batch.completed = batch.processed
        self.val_loop.batch_progress.reset()
        if automatic:
            self._batches_that_stepped = self.global_step - self._outstanding

    def on_run_start(self, data_fetcher: Any) -> None:
        """Finish the checkpoint's last batch; from there on this is an epoch like any other."""
        super().on_run_start(data_fetcher)
        if self.restarting:
            self._restarting = self.trainer.fit_loop._restarting = self.val_loop._restarting = False
            self._require_room()
            self._restore_gradients()
            if self._outstanding:
                self._outstanding = False
                self.on_advance_end(data_fetcher)

    def _require_room(self) -> None:
        batches: Any = self.batch_progress
        done, there_are = batches.current.processed, self.trainer.num_training_batches
        if not batches.is_last_batch and done >= there_are:
            raise ValueError(
                f"the checkpoint was taken within an epoch, after {done} batches, and an epoch now has {there_are}: "
                "give the options that decide this their former values, or continue from an epoch's end"
            )
