"""The fast loop takes Lightning's steps bit for bit, whatever a module returns and whatever callbacks change."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    EMAWeightAveraging,
    GradientAccumulationScheduler,
    LambdaCallback,
    LearningRateFinder,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities import CombinedLoader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import command_line, run
from cifar_mlp.training.fast_loop import FastEpochLoop
from cifar_mlp.training.loop_choice import use_exact_loop
from tests.training.two_loops import Calls, Small, described, fit, loader, recording

RUN = ["fit", "--data.batch_size", "20", "--data.n_components", "12", "--model.hidden_sizes", "[16]"]
RUN += ["--trainer.max_epochs", "2", "--views.scalars_every_n_steps", "1"]
KINDS = {
    "float32": ["--trainer.precision", "32-true"],
    "bf16-mixed, dropout": ["--trainer.precision", "bf16-mixed", "--model.dropout", "0.3"],
    "schedule by steps": ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.9",
                          "--model.lr_interval", "step"],
    "hand-derived gradients": ["--model", "HandwrittenClassifier", "--model.initialization", "kaiming"],
}  # fmt: skip


# A whole run of the command line


class Batches(Callback):
    """Records what each batch's hooks get."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(("start", batch_idx, trainer.global_step, trainer.is_last_batch, batch.indices.tolist()))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(("end", batch_idx, trainer.global_step, trainer.is_last_batch, outputs["loss"].item()))


def outcome(fast: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    calls, make = Batches(), command_line.CommandLine._own_callbacks
    with monkeypatch.context() as patch:
        patch.setattr(command_line.CommandLine, "_own_callbacks", lambda *given: [*make(*given), calls])
        trainer = run([*RUN, *arguments, "--fast_loop", fast, "--trainer.default_root_dir", fast]).trainer
    assert (type(trainer.fit_loop.epoch_loop) is FastEpochLoop) == (fast == "true")
    checkpoint = torch.load(next(Path(fast).rglob("last.ckpt")), weights_only=True)
    events = EventAccumulator(str(trainer.log_dir)).Reload()
    clocks = ("images_per_second", "hp/", "epoch")
    scalars = {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not any(clock in tag for clock in clocks)
    }
    return {
        "weights": {name: value.tolist() for name, value in checkpoint["state_dict"].items()},
        "counts": described(checkpoint["loops"]["fit_loop"]),
        "schedule": checkpoint["lr_schedulers"],
        "scalars": scalars,
        "calls": calls.seen,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_the_same_bit_for_bit(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    fast, own = (outcome(which, KINDS[kind], monkeypatch) for which in ("true", "false"))
    assert len(own["calls"]) == 2 * 2 * 13
    for part in own:
        assert fast[part] == own[part], part


READING = ("item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__", "__index__")
"""Each of them makes the CPU wait for a GPU."""


def test_no_step_reads_a_value_out_of_a_tensor(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    advance, read, steps = FastEpochLoop.advance, [], []

    def watched(loop: FastEpochLoop, data_fetcher: Any) -> None:
        with monkeypatch.context() as within:
            for name in READING:
                original = getattr(torch.Tensor, name)
                within.setattr(torch.Tensor, name, lambda *given, o=original, n=name: read.append(n) or o(*given))
            advance(loop, data_fetcher)
        steps.append(loop.trainer.is_last_batch)
        if loop.trainer.is_last_batch:
            read.clear()  # the epoch's means are computed once, at its end
        assert not read

    monkeypatch.setattr(FastEpochLoop, "advance", watched)
    monkeypatch.setattr(Views, "callbacks", lambda self: [TrainingScalars(every_n_steps=1)])
    trainer = run(RUN).trainer
    assert len(steps) == trainer.global_step == steps.count(False) + 2


@pytest.mark.cuda
@pytest.mark.parametrize("model", ["Classifier", "HandwrittenClassifier"])
@pytest.mark.parametrize("sampling", ["epoch", "replacement"])
def test_no_step_waits_for_the_gpu(
    small_cifar: Path, views: None, monkeypatch: pytest.MonkeyPatch, model: str, sampling: str
):
    advance = FastEpochLoop.advance

    def watched(loop: FastEpochLoop, data_fetcher: Any) -> None:
        last = loop.batch_idx + 2 >= loop.trainer.num_training_batches  # the epoch's means are computed at its end
        torch.cuda.set_sync_debug_mode("default" if last else "error")
        try:
            advance(loop, data_fetcher)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(FastEpochLoop, "advance", watched)
    arguments = ["--trainer.accelerator", "gpu", "--data.sampling", sampling, "--model", model]
    trainer = run([*RUN, *arguments]).trainer
    assert trainer.global_step in (24, 26)


# Other people's modules and callbacks


class Returning(Small):
    """A module whose training step returns what a function makes of the loss."""

    def __init__(self, make: Callable[[torch.Tensor, int], Any]) -> None:
        super().__init__()
        self.make = make

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.make(super().training_step(batch, batch_idx), batch_idx)


class Skipping(Small):
    """A module that ends each epoch before its third batch."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        return -1 if batch_idx == 2 else None


class WithoutIndex(Small):
    """A training step that takes the batch alone."""

    def training_step(self, batch: Any) -> Any:
        return super().training_step(batch, 0)


class EmptyBatches(Small):
    """Every other batch is None."""

    def train_dataloader(self) -> Any:
        batches = list(loader())
        return DataLoader(range(4), collate_fn=lambda index: batches[index[0]] if index[0] % 2 else None)


class Combined(Small):
    """Two training loaders, one batch of each at a step."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.loss(batch["a"]) + self.loss(batch["b"])

    def train_dataloader(self) -> Any:
        return CombinedLoader({"a": loader(), "b": loader(4, seed=2)}, "max_size_cycle")


class Manual(Small):
    """Manual optimization with two optimizers."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        for optimizer in self.optimizers():
            self.toggle_optimizer(optimizer)
            optimizer.zero_grad()
            self.manual_backward(self.loss(batch))
            optimizer.step()
            self.untoggle_optimizer(optimizer)
        return {"loss": loss, "more": 3}

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([parameter], 0.1) for parameter in self.layer.parameters()]


class Optimized(Small):
    """A module with the optimizer that a function makes."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def configure_optimizers(self) -> Any:
        return self.make(self.parameters())


class Plateau(Small):
    """A schedule by epochs that watches a logged value."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=9.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val"}}


def with_hook(parameters: Any) -> Any:
    """An optimizer with a hook that runs before its closure."""
    optimizer = torch.optim.SGD(parameters, 0.1)
    optimizer.register_step_pre_hook(lambda this, *_: this.param_groups[0].update(lr=this.param_groups[0]["lr"] / 2))
    return optimizer


class Clipping(Small):
    """A module that clips its gradients without the trainer's option."""

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        self.clip_gradients(optimizer, 0.01, "norm")


class Sparse(Small):
    """A module that logs nothing at a step, and at an epoch's end whether Lightning still holds a batch."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self.loss(batch)

    def on_train_epoch_end(self) -> None:
        loop: Any = self.trainer.fit_loop.epoch_loop
        self.log("holds a batch", float(loop._results.batch is not None))


class Named(Small):
    """A module that logs, from its optimizer's own hook, under which of Lightning's hooks it runs."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        optimizer.register_step_post_hook(lambda *_: self.log("step", float(self._current_fx_name == "optimizer_step")))
        return optimizer


class Tuned(Small):
    """A module whose batch size and learning rate Lightning can tune."""

    def __init__(self) -> None:
        super().__init__()
        self.batch_size, self.lr = 1, 0.1

    def train_dataloader(self) -> Any:
        return loader(self.batch_size)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), self.lr)


class Normalized(Small):
    """A module with batch normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.layer: Any = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))


def instance_hooks() -> Small:
    module: Any = Small()
    module.on_train_batch_end = None
    module.on_before_zero_grad = lambda optimizer: module.log("zero", 1.0)
    module.on_after_backward = lambda: module.layer.weight.grad.mul_(2)
    return module


class Adding(Callback):
    """Adds a callback in the middle of an epoch, and changes gradients through it."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == 1:
            trainer.callbacks.append(LambdaCallback(on_after_backward=lambda _, module: module.layer.bias.grad.zero_()))


class Logging(Callback):
    """Logs values from every hook of a step."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.log("start", float(batch_idx))

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        pl_module.log("loss", loss, on_epoch=True)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        pl_module.log("gradient", pl_module.layer.bias.grad.sum(), on_step=True, on_epoch=True)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.log("end", outputs["loss"])


def zero_weight_by_output() -> Callback:
    """What a callback does to the outputs must not change the loss that was logged."""
    return LambdaCallback(on_train_batch_end=lambda trainer, module, outputs, *_: outputs["loss"].zero_())


# Modules and callbacks that the fast loop supports: each case fits with both loops
HONOURED: dict[str, Callable[[], tuple[LightningModule, list[Callback]]]] = {
    "extras": lambda: (Returning(lambda loss, index: {"loss": loss, "index": index, "more": loss + 1}), []),
    "a loss that is None": lambda: (Returning(lambda loss, index: None if index == 1 else loss), []),
    "no loss at all": lambda: (Returning(lambda loss, index: None), []),
    "a dict without loss": lambda: (Returning(lambda loss, index: {"more": loss}), []),
    "a number": lambda: (Returning(lambda loss, index: 1.0), []),
    "a loss without a graph": lambda: (Returning(lambda loss, index: loss.detach()), []),
    "-1 from on_train_batch_start": lambda: (Skipping(), []),
    "no batch_idx": lambda: (WithoutIndex(), []),
    "batches that are None": lambda: (EmptyBatches(), []),
    "several loaders": lambda: (Combined(), []),
    "manual optimization": lambda: (Manual(), []),
    "no optimizer": lambda: (Optimized(lambda parameters: None), []),
    "LBFGS": lambda: (Optimized(lambda parameters: torch.optim.LBFGS(parameters, max_iter=3)), []),
    "an optimizer's own hook": lambda: (Optimized(with_hook), []),
    "a module that clips": lambda: (Clipping(), []),
    "nothing logged at a step": lambda: (Sparse(), []),
    "names of hooks": lambda: (Named(), []),
    "plateau": lambda: (Plateau(), []),
    "hooks of the instance": lambda: (instance_hooks(), []),
    "a callback added within an epoch": lambda: (Small(), [Adding()]),
    "values logged from hooks": lambda: (Small(), [Logging()]),
    "outputs changed in place": lambda: (Returning(lambda loss, index: loss), [zero_weight_by_output()]),
    "checkpoints": lambda: (Small(), [ModelCheckpoint(every_n_train_steps=3, save_top_k=-1, save_last=True)]),
    "averaged weights": lambda: (Small(), [EMAWeightAveraging(decay=0.5)]),
    "stochastic averages": lambda: (Small(), [StochasticWeightAveraging(0.01, swa_epoch_start=1)]),
    "a tuned batch size": lambda: (Tuned(), [BatchSizeFinder(steps_per_trial=2, max_trials=2)]),
    "a tuned learning rate": lambda: (Tuned(), [LearningRateFinder(num_training_steps=6, early_stop_threshold=None)]),
    "learning rates": lambda: (Small(), [LearningRateMonitor("step")]),
}

FAILING = ("a dict without loss", "a number", "a loss without a graph")


@pytest.mark.parametrize("case", HONOURED)
def test_what_it_supports_is_the_same_bit_for_bit(tmp_path: Path, case: str):
    found = []
    for fast in (True, False):
        module, callbacks = HONOURED[case]()
        calls: Calls = []
        watch: Any = recording(
            Callback, {"on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end"}, calls
        )
        found.append({**fit(tmp_path / str(fast), fast, module, callbacks=[*callbacks, watch()]), "calls": calls})
    fast_steps, own_steps = (left.pop("steps") for left in found)
    assert (fast_steps > 0, own_steps) == (True, 0)
    assert (found[0]["error"] != "None") == (case in FAILING)
    for part in found[1]:
        assert found[0][part] == found[1][part], part


@pytest.mark.parametrize("step", [1, 2, 4, 7])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_validation_batch_end", "on_validation_end"])
def test_it_resumes_as_lightning_s_own_steps_do(tmp_path: Path, hook: str, step: int):
    path = tmp_path / "saved.ckpt"

    def save(trainer: Any, *_: Any) -> None:
        if trainer.global_step == step:
            trainer.save_checkpoint(path)

    every = {"val_check_interval": 1 if step % 2 else 2}
    fit(tmp_path / "first", True, Small(), callbacks=[LambdaCallback(**{hook: save})], **every)
    again = {"ckpt_path": str(path), "max_epochs": 3, **every}
    fast = fit(tmp_path / "fast", True, Small(), **again)
    own = fit(tmp_path / "own", False, Small(), prepare=use_exact_loop, **again)
    assert fast.pop("steps") >= 12 - step
    del own["steps"]
    assert own["error"] == "None"
    assert fast == own


def accumulate_from(step: int, hook: str) -> Callback:
    def change(trainer: Any, *_: Any) -> None:
        trainer.accumulate_grad_batches = 2 if trainer.global_step >= step else 1

    return LambdaCallback(**{hook: change})


class Backward(Callback):
    """Assigns a method to the strategy."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        own = trainer.strategy.backward
        trainer.strategy.backward = lambda loss, *given: own(2 * loss, *given)


# What becomes known only during fit: module, callbacks, steps that the fast loop takes before, and what it prints
LATER: dict[str, tuple[Callable[[], LightningModule], Callable[[], list[Callback]], int, str]] = {
    "a schedule of accumulation": (
        Small, lambda: [GradientAccumulationScheduler({1: 2})], 4,
        "epoch 2: Lightning's own loop (accumulate_grad_batches 2)\n",
    ),
    "accumulation within an epoch": (
        Small, lambda: [accumulate_from(2, "on_train_batch_end")], 2,
        "epoch 1: Lightning's own loop (accumulate_grad_batches 2)\n",
    ),
    "accumulation within a step": (
        Small, lambda: [accumulate_from(2, "on_train_batch_start")], 3,
        "epoch 1: Lightning's own loop (accumulate_grad_batches 2)\n",
    ),
    "an epoch without gradients": (
        Normalized, lambda: [StochasticWeightAveraging(0.01, swa_epoch_start=1)], 8,
        "epoch 3: Lightning's own loop (accumulate_grad_batches 5)\n",
    ),
    "a LightningOptimizer": (
        lambda: Optimized(lambda parameters: LightningOptimizer(torch.optim.SGD(parameters, 0.1))), list, 0,
        "epoch 1: Lightning's own loop (the optimizer is a LightningOptimizer)\n",
    ),
    "a strategy's method": (
        Small, lambda: [Backward()], 0, "epoch 1: Lightning's own loop (strategy SingleDeviceStrategy)\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LATER)
def test_it_gives_way_during_a_fit_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str):
    make, callbacks, steps, line = LATER[case]
    fast = fit(tmp_path / "fast", True, make(), callbacks=callbacks())
    assert capsys.readouterr().out == line
    own = fit(tmp_path / "own", False, make(), callbacks=callbacks())
    assert fast.pop("steps") == steps
    del own["steps"]
    assert own["error"] == "None"
    assert fast == own
