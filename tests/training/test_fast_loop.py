"""The lean loop takes Lightning's steps, bit for bit, and gives way where more is asked for."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cifar_mlp import cli
from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import run
from cifar_mlp.cli.warning_filters import quiet
from cifar_mlp.training import fast_loop as lean_loop
from cifar_mlp.training.fast_loop import LeanEpochLoop, obstacle, use_lean_loop
from cifar_mlp.training.fast_optimizer import CAPTURE_CHECKS, FusedAdam

RUN = ["fit", "--data.batch_size", "20", "--data.n_components", "12", "--model.hidden_sizes", "[16]"]
RUN += ["--trainer.max_epochs", "2", "--views.scalars_every_n_steps", "1"]
KINDS = {
    "float32": ["--trainer.precision", "32-true"],
    "bf16-mixed, dropout": ["--trainer.precision", "bf16-mixed", "--model.dropout", "0.3"],
    "schedule by steps": ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.9",
                          "--model.lr_interval", "step"],
    "by hand": ["--model", "HandwrittenClassifier", "--model.initialization", "kaiming"],
}  # fmt: skip


class Calls(Callback):
    """Which hook was called, with which counts."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(("start", batch_idx, trainer.global_step, trainer.is_last_batch, batch.indices.tolist()))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(("end", batch_idx, trainer.global_step, trainer.is_last_batch, outputs["loss"].item()))


def outcome(folder: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    calls, make = Calls(), cli.CommandLine._own_callbacks
    with monkeypatch.context() as patch:
        patch.setattr(cli.CommandLine, "_own_callbacks", lambda *given: [*make(*given), calls])
        trainer = run([*RUN, *arguments, "--trainer.default_root_dir", folder]).trainer
    checkpoint = torch.load(next(Path(folder).rglob("last.ckpt")), weights_only=True)
    events = EventAccumulator(str(trainer.log_dir)).Reload()
    clocks = ("images_per_second", "hp/", "epoch")
    scalars = {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not any(clock in tag for clock in clocks)
    }
    return {
        "weights": checkpoint["state_dict"],
        "counts": checkpoint["loops"]["fit_loop"],
        "schedule": checkpoint["lr_schedulers"],
        "scalars": scalars,
        "calls": calls.seen,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_lightning_s_bit_for_bit(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    lean = outcome("lean", KINDS[kind], monkeypatch)
    monkeypatch.setattr(cli, "use_lean_loop", lambda trainer: None)
    plain = outcome("plain", KINDS[kind], monkeypatch)
    assert lean["weights"].keys() == plain["weights"].keys()
    assert all(torch.equal(lean["weights"][name], value) for name, value in plain["weights"].items())
    assert len(plain["calls"]) == 2 * 2 * 13
    for part in ("calls", "counts", "schedule", "scalars"):
        assert lean[part] == plain[part], part


def test_the_lean_loop_is_what_fit_uses(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    steps: list[int] = []
    step = LeanEpochLoop._step
    monkeypatch.setattr(LeanEpochLoop, "_step", lambda self, *given: (steps.append(given[-1]), step(self, *given))[1])
    assert run(RUN).trainer.global_step == 26
    assert steps == [*range(13), *range(13)]


def test_a_fit_s_steps_are_the_lean_optimizer_s_and_look_for_no_gpu(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    own, lean, checks = [], [], []
    step, lean_step = torch.optim.Adam.step, FusedAdam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *given: (own.append(1), step(self, *given))[1])
    monkeypatch.setattr(FusedAdam, "step", lambda self: (lean.append(1), lean_step(self))[1])
    for check in CAPTURE_CHECKS:
        monkeypatch.setattr(torch.optim.Optimizer, check, lambda self: checks.append(1), raising=False)
    run([*RUN, "--model.optimizer", "Adam", "--trainer.accelerator", "cpu"])
    assert (len(lean), len(own), len(checks)) == (26, 1, 0)


class Accumulating(Callback):
    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A hook within the step."""


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("accumulated batches", ["--trainer.accumulate_grad_batches", "2"]),
        ("clipped gradients", ["--trainer.gradient_clip_val", "1.0"]),
        ("its profiler", ["--trainer.profiler", "simple"]),
        ("its precision", ["--trainer.precision", "64-true"]),
        ("hooks of a callback", ["--trainer.callbacks", f"{__name__}.Accumulating"]),
        ("its optimizers", ["--model.optimizer", "LBFGS"]),
    ],
)
def test_lightning_s_loop_runs_where_more_is_asked_for(
    small_cifar: Path, monkeypatch: pytest.MonkeyPatch, reason: str, arguments: list[str]
):
    found = []
    monkeypatch.setattr(lean_loop, "obstacle", lambda trainer: found.append(obstacle(trainer)) or found[-1])
    monkeypatch.setattr(LeanEpochLoop, "_step", None)  # not to be called
    run([*RUN, *arguments, "--trainer.max_epochs", "1"])
    assert found == [reason]


READING = ("item", "tolist", "numpy", "cpu", "__float__", "__int__", "__bool__", "__index__")
"""Each of them has the processor wait for a GPU."""


def test_no_step_reads_a_value_out_of_a_tensor(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    advance, read, steps = LeanEpochLoop.advance, [], []

    def watched(loop: LeanEpochLoop, data_fetcher: Any) -> None:
        with monkeypatch.context() as within:
            for name in READING:
                original = getattr(torch.Tensor, name)
                within.setattr(torch.Tensor, name, lambda *given, o=original, n=name: read.append(n) or o(*given))
            advance(loop, data_fetcher)
        steps.append(loop.trainer.is_last_batch)
        if loop.trainer.is_last_batch:
            read.clear()  # the epoch's means are counted once, at its end
        assert not read

    monkeypatch.setattr(LeanEpochLoop, "advance", watched)
    monkeypatch.setattr(Views, "callbacks", lambda self: [TrainingScalars(every_n_steps=1)])
    trainer = run(RUN).trainer
    assert len(steps) == trainer.global_step == steps.count(False) + 2


@pytest.mark.cuda
@pytest.mark.parametrize("model", ["Classifier", "HandwrittenClassifier"])
@pytest.mark.parametrize("sampling", ["epoch", "replacement"])
def test_no_step_waits_for_the_gpu(
    small_cifar: Path, views: None, monkeypatch: pytest.MonkeyPatch, model: str, sampling: str
):
    advance = LeanEpochLoop.advance

    def watched(loop: LeanEpochLoop, data_fetcher: Any) -> None:
        last = loop.batch_idx + 2 >= loop.trainer.num_training_batches  # the epoch's means are counted at its end
        torch.cuda.set_sync_debug_mode("default" if last else "error")
        try:
            advance(loop, data_fetcher)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(LeanEpochLoop, "advance", watched)
    arguments = ["--trainer.accelerator", "gpu", "--data.sampling", sampling, "--model", model]
    trainer = run([*RUN, *arguments]).trainer
    assert trainer.global_step in (24, 26)


class Silent(LightningModule):
    """A module whose step says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.layer(batch[0]).sum()
        return {"loss": loss} if batch_idx < 2 else None

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 1)))


def test_other_modules_may_use_it_and_must_return_a_loss(tmp_path: Path):
    trainer = Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
        default_root_dir=tmp_path, enable_model_summary=False,
    )  # fmt: skip
    use_lean_loop(trainer)
    quiet()
    with pytest.raises(TypeError, match="training_step must return the loss as a tensor"):
        trainer.fit(Silent())
    assert trainer.global_step == 2
