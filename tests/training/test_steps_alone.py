"""Steps that nobody asked to see are taken in one call, and leave what Lightning's own loop leaves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.utilities.exceptions import SIGTERMException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cifar_mlp.callbacks.histograms import Histograms
from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.update_ratios import UpdateRatios
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import command_line, run
from cifar_mlp.models import Classifier
from cifar_mlp.training.fast_loop import FastEpochLoop
from tests.long_cases import rest_long

RUN = ["fit", "--data.batch_size", "20", "--data.n_components", "12", "--model.hidden_sizes", "[16, 12]"]
RUN += ["--trainer.max_epochs", "2", "--trainer.precision", "32-true"]
ADAM = ["--model.optimizer", "Adam", "--model.optimizer.lr", "0.01"]
BY_STEP = ["--model.lr_scheduler", "OneCycleLR", "--model.lr_scheduler.max_lr", "0.01", "--model.lr_interval", "step"]
KINDS = {
    "hand-derived": ADAM,
    "autograd": ["--model.gradients", "autograd"],
    "bfloat16": ["--trainer.precision", "bf16-mixed"],
    "dropout": ["--model.dropout", "0.3"],
    "schedule by steps": [*ADAM, *BY_STEP],
    "averaged weights": ["--model.ema_decay", "0.9"],
    "clipped": ["--trainer.gradient_clip_val", "0.1"],
    "validated within an epoch": ["--trainer.val_check_interval", "5"],
    "validated every so many steps": ["--trainer.val_check_interval", "7", "--trainer.check_val_every_n_epoch", "null"],
    "limited steps": ["--trainer.max_steps", "19"],
    "limited batches": ["--trainer.limit_train_batches", "9"],
    "replacement": ["--data.sampling", "replacement"],
    "augmented": ["--data.augment", "{flip: random, mixup: 0.4}"],
}  # fmt: skip
ALWAYS = ("hand-derived", "bfloat16", "averaged weights", "limited steps", "augmented")


class Watch(Callback):
    """Records what is seen where a validation begins and an epoch ends."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        weights = sum(float(parameter.detach().double().sum()) for parameter in pl_module.parameters())
        self.seen.append(("validation", trainer.global_step, trainer.fit_loop.total_batch_idx, weights))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.seen.append(("end", trainer.global_step, trainer.current_epoch, metrics))


def taken_alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of each step that is taken alone from now on."""
    steps: list[int] = []
    step_alone = FastEpochLoop._step_alone

    def counted(loop: FastEpochLoop, *given: Any) -> None:
        step_alone(loop, *given)
        steps.append(loop.global_step)

    monkeypatch.setattr(FastEpochLoop, "_step_alone", counted)
    return steps


def outcome(fast: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[int]]:
    watch, make = Watch(), command_line.CommandLine._own_callbacks
    with monkeypatch.context() as patch:
        steps = taken_alone(patch)
        patch.setattr(command_line.CommandLine, "_own_callbacks", lambda *given: [*make(*given), watch])
        trainer = run([*RUN, *arguments, "--fast_loop", fast, "--trainer.default_root_dir", fast]).trainer
    checkpoint = torch.load(next(Path(fast).rglob("last.ckpt")), weights_only=True)
    events = EventAccumulator(str(trainer.log_dir)).Reload()
    scalars = {
        tag: [(point.step, point.value) for point in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not any(clock in tag for clock in ("images_per_second", "hp/", "epoch"))
    }
    left = {
        "weights": {name: value.tolist() for name, value in checkpoint["state_dict"].items()},
        "counts": checkpoint["loops"]["fit_loop"],
        "schedule": checkpoint["lr_schedulers"],
        "scalars": scalars,
        "seen": watch.seen,
    }
    return left, steps


@pytest.mark.parametrize("kind", rest_long(KINDS, ALWAYS))
def test_a_run_leaves_what_lightning_s_own_loop_leaves(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.setattr(Views, "callbacks", lambda self: [TrainingScalars(4), UpdateRatios(6), Histograms(1)])
    (fast, steps), (own, none) = (outcome(which, KINDS[kind], monkeypatch) for which in ("true", "false"))
    assert not none
    assert len(steps) >= 4
    assert steps[-1] > min(seen[1] for seen in own["seen"] if seen[0] == "end"), "only in the first epoch"
    ends = {seen[1] for seen in own["seen"] if seen[0] == "end"}
    assert not ends & set(steps), "an epoch's last step is never alone"
    assert {tag.split("/")[-1] for tag in own["scalars"]} >= {"batch_loss", "learning_rate", "accuracy"}
    for part in own:
        assert fast[part] == own[part], part


class Every(Callback):
    """A callback that looks at each step, and does not say when it need not."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        pass


class Zeroing(Callback):
    """A callback that changes gradients."""

    steps_alone = LearningRateMonitor.state_dict  # whatever it says

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        pass


class OwnStep(Classifier):
    """A training step that logs."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.log("own", loss)
        return loss


@pytest.mark.parametrize("seen_by", ["Every", "Zeroing", "OwnStep"])
def test_whoever_looks_at_each_step_sees_it(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, seen_by: str):
    steps = taken_alone(monkeypatch)
    option = "--model" if seen_by == "OwnStep" else "--trainer.callbacks"
    trainer = run([*RUN, option, f"{__name__}.{seen_by}"]).trainer
    assert trainer.global_step == 26
    assert not steps


def test_sigterm_stops_between_two_of_them(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    step_alone = FastEpochLoop._step_alone

    def asked_to_stop(loop: FastEpochLoop, *given: Any) -> None:
        step_alone(loop, *given)
        if loop.global_step == 5:
            loop.trainer._signal_connector.received_sigterm = True

    monkeypatch.setattr(FastEpochLoop, "_step_alone", asked_to_stop)
    with pytest.raises(SIGTERMException):
        run(RUN)
    checkpoint = torch.load(next(Path().rglob("last.ckpt")), weights_only=True)
    assert checkpoint["global_step"] == 5
    monkeypatch.setattr(FastEpochLoop, "_step_alone", step_alone)
    resumed = run(["fit", "--ckpt_path", str(next(Path().rglob("last.ckpt")))]).model
    whole = run([*RUN, "--trainer.default_root_dir", "whole"]).model
    for ours, theirs in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
