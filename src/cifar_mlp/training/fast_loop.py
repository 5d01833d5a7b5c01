"""Lightning's loop over the batches of an epoch with less overhead, for one device.

Lightning's private names are used here only; ``use_fast_loop`` imports this module only for versions tested with it.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from lightning.pytorch.loops.optimization.automatic import Closure, ClosureResult
from torch import Tensor

from cifar_mlp.training.exact_loop import ExactEpochLoop
from cifar_mlp.training.loop_obstacles import describe, obstacle, overrides
from cifar_mlp.training.steps_alone import listeners, steps_alone

TRANSFER_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
STEP_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)


class FastEpochLoop(ExactEpochLoop):
    """Takes Lightning's steps: the same results, the same hooks in the same order.

    Lightning's own loop goes through all callbacks for six hooks a step. This one calls those that somebody wrote; it
    looks them up once an epoch and when the trainer's callbacks change. Counting, logging, schedules, validation and
    manual optimization stay Lightning's own, and so does the step wherever there is an ``obstacle``.

    Steps that nobody asked to see are taken in one call, see :mod:`cifar_mlp.training.steps_alone`: they count, and
    call nothing but what trains.
    """

    _obstacle: str | None = None

    def on_run_start(self, data_fetcher: Any) -> None:
        """Look up this epoch's hooks and obstacles."""
        super().on_run_start(data_fetcher)
        self._look_up()

    def _look_up(self) -> None:
        trainer: Any = self.trainer
        module, found = trainer.lightning_module, obstacle(trainer, trainer.lightning_module)
        if found != self._obstacle:
            trainer.print(f"epoch {trainer.current_epoch + 1}: {describe(found)}")
        self._obstacle, self._accumulation = found, trainer.accumulate_grad_batches
        self._look_up_callbacks()
        self._clips = overrides(module, "configure_gradient_clipping")
        selector = trainer._data_connector._datahook_selector
        owners = [selector.get_instance(hook) for hook in TRANSFER_HOOKS]
        self._transfers = [getattr(owner, hook) for owner, hook in zip(owners, TRANSFER_HOOKS, strict=True)]
        device = trainer.strategy.root_device
        more = ((0,), (device, 0), (0,))
        self._changing_transfers = [
            (hook, transfer, arguments)
            for owner, hook, transfer, arguments in zip(owners, TRANSFER_HOOKS, self._transfers, more, strict=True)
            if overrides(owner, hook) or (hook == TRANSFER_HOOKS[1] and device.type != "cpu")
        ]
        self._takes_index = len(self._build_kwargs(OrderedDict(), None, 0)) == 2

    def _look_up_callbacks(self) -> None:
        trainer: Any = self.trainer
        self._seen: list[Any] = list(trainer.callbacks)
        self._callbacks = {hook: [each for each in self._seen if overrides(each, hook)] for hook in STEP_HOOKS}
        self._heard = listeners(trainer, trainer.lightning_module, STEP_HOOKS)

    def advance(self, data_fetcher: Any) -> None:
        """Take one step.

        Raises:
            StopIteration: If the data or, by returning -1 from ``on_train_batch_start``, the module ends the epoch.
        """
        trainer: Any = self.trainer
        if trainer.accumulate_grad_batches != self._accumulation:
            self._look_up()
        if self.restarting or self._obstacle is not None:
            super().advance(data_fetcher)
            return
        self.val_loop.restarting = False
        if trainer.callbacks != self._seen:
            self._look_up_callbacks()
        if self._heard is not None and (count := steps_alone(trainer, data_fetcher, self._heard)) > 1:
            self._take_steps_alone(data_fetcher, count)
            return
        progress, logs, outputs, ends_epoch = self.batch_progress, trainer._logger_connector, None, False
        batch, _, _ = next(data_fetcher)
        batch_idx = self.batch_idx + 1
        progress.is_last_batch = data_fetcher.done
        before, transfer, after = self._transfers
        batch = self._call(TRANSFER_HOOKS[0], before, batch, 0)
        batch = self._call(TRANSFER_HOOKS[1], transfer, batch, trainer.strategy.root_device, 0)
        batch = self._call(TRANSFER_HOOKS[2], after, batch, 0)

        progress.increment_ready()
        logs.on_batch_start(batch)
        if batch is None:
            self._warning_cache.warn("train_dataloader yielded None. If this was on purpose, ignore this warning...")
        elif self._call_hooks("on_train_batch_start", batch, batch_idx) == -1:
            progress.increment_by(0, is_last_batch=True)
            ends_epoch = True
        else:
            progress.increment_started()
            outputs = self._step(batch, batch_idx)
        progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        if self._num_ready_batches_reached():
            self.update_lr_schedulers("epoch", update_plateau_schedulers=False)
        if ends_epoch:
            raise StopIteration

        self._call_hooks("on_train_batch_end", outputs, batch, batch_idx)
        if self._results:
            logs.on_batch_end()
        self._results.batch = self._results.batch_size = None
        progress.increment_completed()
        if self._results:
            logs.update_train_step_metrics()

    def _step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Train on a batch; returns the ``outputs`` for ``on_train_batch_end``."""
        trainer: Any = self.trainer
        module = trainer.lightning_module
        if not module.automatic_optimization:
            return self.manual_optimization.run(self._build_kwargs(OrderedDict(), batch, batch_idx))
        optimizer, counts = trainer.optimizers[0], self.automatic_optimization.optim_progress.optimizer
        if trainer.accumulate_grad_batches != 1:  # a hook has changed it within this step
            arguments = self._build_kwargs(OrderedDict(), batch, batch_idx)
            return self.automatic_optimization.run(optimizer, batch_idx, arguments)

        def training_step() -> ClosureResult:
            index = (batch_idx,) if self._takes_index else ()
            with trainer.precision_plugin.train_step_context():
                output = self._call("training_step", module.training_step, batch, *index)
            if isinstance(output, Tensor):
                return ClosureResult(output)  # without dividing it by the number of accumulated batches, 1
            return ClosureResult.from_training_step_output(output)

        def zero_grad() -> None:
            counts.zero_grad.increment_ready()
            self._call_hooks("on_before_zero_grad", optimizer)
            counts.zero_grad.increment_started()
            self._call("optimizer_zero_grad", module.optimizer_zero_grad, trainer.current_epoch, batch_idx, optimizer)
            counts.zero_grad.increment_completed()

        def backward(loss: Tensor) -> None:
            self._call_hooks("on_before_backward", loss)
            self._call("backward", module.backward, loss)
            self._call_hooks("on_after_backward")

        closure = Closure(training_step, backward, zero_grad)

        def gradients() -> Tensor | None:
            loss = closure()
            self._call_hooks("on_before_optimizer_step", optimizer)
            if self._clips or trainer.gradient_clip_val is not None:
                how = {name: getattr(trainer, name) for name in ("gradient_clip_val", "gradient_clip_algorithm")}
                self._call("configure_gradient_clipping", module.configure_gradient_clipping, optimizer, **how)
            return loss

        counts.step.increment_ready()
        self._call("optimizer_step", optimizer.step, closure=gradients)
        counts.step.increment_completed()
        result = closure.consume_result()
        return {} if result.loss is None else result.asdict()

    def _take_steps_alone(self, data_fetcher: Any, count: int) -> None:
        """Take so many steps; what Lightning does between two of them is done, but for the last one."""
        trainer: Any = self.trainer
        module, progress, logs = trainer.lightning_module, self.batch_progress, trainer._logger_connector
        scheduled = any(config.interval == "step" for config in trainer.lr_scheduler_configs)
        before, after = ([getattr(each, hook) for each in self._callbacks[hook] if getattr(each, "at_each_step", False)]
                         for hook in (STEP_HOOKS[0], STEP_HOOKS[-1]))  # fmt: skip
        images = 0
        for number in range(count):
            batch, _, _ = next(data_fetcher)
            batch_idx = self.batch_idx + 1
            progress.is_last_batch = data_fetcher.done
            for hook, transfer, more in self._changing_transfers:
                batch = self._call(hook, transfer, batch, *more)
            images += len(batch[0])
            progress.increment_ready()
            if logs._first_loop_iter is not False:  # Lightning tells an epoch's first batch from the others
                logs.on_batch_start(batch)
            for listen in before:
                listen(trainer, module, None, batch_idx)
            progress.increment_started()
            self._step_alone(batch, batch_idx)
            progress.increment_processed()
            if scheduled:
                self.update_lr_schedulers("step", update_plateau_schedulers=False)
            for listen in after:
                listen(trainer, module, {}, None, batch_idx)
            progress.increment_completed()
            if number + 1 == count or trainer.received_sigterm:
                break
            if scheduled:
                self.update_lr_schedulers("step", update_plateau_schedulers=True)
            self._batches_that_stepped += 1
        self._results.batch = self._results.batch_size = None
        for each in self._heard or ():
            if hasattr(each, "after_steps_alone"):
                each.after_steps_alone(images)

    def _step_alone(self, batch: Any, batch_idx: int) -> None:
        trainer: Any = self.trainer
        module, optimizer = trainer.lightning_module, trainer.optimizers[0]
        counts = self.automatic_optimization.optim_progress.optimizer

        def gradients() -> Tensor:
            with trainer.precision_plugin.train_step_context():
                loss: Tensor = module.training_step(batch, batch_idx)
            counts.zero_grad.increment_ready()
            counts.zero_grad.increment_started()
            module.optimizer_zero_grad(trainer.current_epoch, batch_idx, optimizer)
            counts.zero_grad.increment_completed()
            module.backward(loss)
            if self._clips or trainer.gradient_clip_val is not None:
                how = {name: getattr(trainer, name) for name in ("gradient_clip_val", "gradient_clip_algorithm")}
                module.configure_gradient_clipping(optimizer, **how)
            return loss

        counts.step.increment_ready()
        optimizer.step(closure=gradients)
        counts.step.increment_completed()

    def _call_hooks(self, hook: str, *arguments: Any) -> Any:
        """Call the callbacks' hook, then the module's; returns what the module's returns."""
        trainer: Any = self.trainer
        module = trainer.lightning_module
        if trainer.callbacks != self._seen:
            self._look_up_callbacks()
        for callback in self._callbacks[hook]:
            self._call(hook, getattr(callback, hook), trainer, module, *arguments)
        return self._call(hook, getattr(module, hook), *arguments)

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a function under the name that ``self.log`` looks up."""
        attributes = vars(self.trainer.lightning_module)  # setattr on a module would take a microsecond
        outer, attributes["_current_fx_name"] = attributes["_current_fx_name"], name
        output = function(*arguments, **named) if callable(function) else None  # a hook may be set to None
        attributes["_current_fx_name"] = outer
        return output
