"""Training with hand-derived gradients beside autograd, through the same command line."""

import functools
from pathlib import Path

import pytest
import torch

from cifar_mlp.cli import run
from cifar_mlp.models import Classifier, HandwrittenClassifier
from cifar_mlp.models.training_mean import TrainingMean
from cifar_mlp.parity import layers

FIT = ["fit", "--data.batch_size", "20", "--trainer.precision", "64-true", "--data.dtype", "float64"]
FIT += ["--model.initialization", "kaiming", "--data.n_components", "20", "--data.whiten", "true"]
FIT += ["--model.optimizer", "SGD", "--model.optimizer.lr", "0.02", "--model.regularization", "0.01"]
FIT += ["--model.lr_scheduler", "StepLR", "--model.lr_scheduler.step_size", "7", "--model.lr_interval", "step"]


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The loss of every step that a run takes."""
    seen: list[float] = []
    add = TrainingMean.add

    def keep(self: TrainingMean, loss: torch.Tensor, *others: torch.Tensor) -> None:
        seen.append(loss.item())
        add(self, loss, *others)

    monkeypatch.setattr(TrainingMean, "add", keep)
    return seen


def both_ways(losses: list[float], *arguments: str) -> tuple[list[float], list[float]]:
    """Losses with the hand-derived gradients and with autograd's."""
    found = []
    for gradients in ("hand", "autograd"):
        losses.clear()
        run([*FIT, *arguments, "--model.gradients", gradients])
        found.append(list(losses))
    return found[0], found[1]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--model.hidden_sizes", "[16]"], marks=pytest.mark.long),
        pytest.param(["--model.hidden_sizes", "[]"], marks=pytest.mark.long),
        ["--model.hidden_sizes", "[12, 9]", "--model.activation", "gelu", "--model.normalization", "layer"],
        ["--model.hidden_sizes", "[16]", "--trainer.accumulate_grad_batches", "2"],
        ["--model.hidden_sizes", "[16]", "--trainer.gradient_clip_val", "0.1"],
    ],
    ids=["two layers", "linear", "three layers", "accumulated", "clipped"],
)
def test_steps_are_autograd_s(small_cifar: Path, losses: list[float], options: list[str]):
    hand, autograd = both_ways(losses, *options, "--trainer.max_epochs", "3")
    assert hand == pytest.approx(autograd, abs=1e-12)
    assert len(set(hand)) == 39


def test_the_comparison_catches_a_wrong_gradient(
    small_cifar: Path, losses: list[float], monkeypatch: pytest.MonkeyPatch
):
    halved = functools.partial(
        lambda true, dw, factor, w, out=None: true(dw, factor / 2, w, out), layers.l2_penalty_backward
    )
    monkeypatch.setattr(layers, "l2_penalty_backward", halved)
    hand, autograd = both_ways(losses, "--model.hidden_sizes", "[16]", "--trainer.max_epochs", "1")
    assert hand != pytest.approx(autograd, abs=1e-12)


def test_autograd_derives_nothing(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **settings: object) -> None:
        raise AssertionError("autograd's own loss was used")

    monkeypatch.setattr("cifar_mlp.models.loss.cross_entropy", refuse)
    run([*FIT, "--model.gradients", "hand", "--trainer.fast_dev_run", "1"])
    with pytest.raises(AssertionError, match="own loss"):
        run([*FIT, "--model.gradients", "autograd", "--trainer.fast_dev_run", "1"])


@pytest.mark.real_data
@pytest.mark.parity
def test_200_steps_on_cifar10_s_components_equal_autograd_s_to_1e_10(real_root: str, losses: list[float]):
    """The report's tuned network, on the real components in float64."""
    report = ["--model.hidden_sizes", "[600]", "--data.n_components", "510", "--data.scaling", "mean_image"]
    report += ["--data.whiten", "false", "--model.initialization", "normal", "--model.optimizer.lr", "1e-3"]
    report += ["--model.regularization", "1e-4", "--data.batch_size", "200", "--model.lr_scheduler.step_size", "245"]
    hand, autograd = both_ways(losses, *report, "--trainer.max_steps", "200")
    assert max(abs(a - b) for a, b in zip(hand, autograd, strict=True)) < 1e-10
    assert hand[0] == pytest.approx(2.302585, abs=1e-3)
    assert hand[-1] < 1.9


def test_the_former_class_keeps_its_defaults_and_trains_the_same(small_cifar: Path, losses: list[float]):
    common = ["fit", "--data.batch_size", "50", "--trainer.max_epochs", "1"]
    model = run([*common, "--model", "HandwrittenClassifier", "--model.regularization", "0.1"]).model
    assert isinstance(model, HandwrittenClassifier)
    former = list(losses)
    losses.clear()
    now = ["--model.hidden_sizes", "[50]", "--model.initialization", "normal", "--model.optimizer", "SGD"]
    run([*common, *now, "--model.gradients", "hand", "--model.regularization", "0.1"])
    assert former == losses
    (checkpoint, _) = sorted(Path().rglob("last.ckpt"))
    content = torch.load(checkpoint, weights_only=True)
    assert content["cifar_mlp"]["model"] == "Classifier"
    assert content["hyper_parameters"]["gradients"] == "hand"


def test_a_checkpoint_of_the_former_class_trains_on_hand_derived(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    run(["fit", "--data.batch_size", "50", "--trainer.max_epochs", "1", "--model.gradients", "hand"])
    path = next(Path().rglob("last.ckpt"))
    content = torch.load(path, weights_only=True)
    content["cifar_mlp"]["model"] = "HandwrittenClassifier"
    del content["hyper_parameters"]["gradients"], content["hyper_parameters"]["label_smoothing"]
    torch.save(content, path)
    command = run(["fit", "--ckpt_path", str(path), "--trainer.max_epochs", "2"])
    assert type(command.model) is Classifier
    assert command.model.settings["gradients"] == "hand"
    assert command.trainer.global_step == 10


def test_dropout_hand_derived_drops_and_its_masks_follow_the_step(small_cifar: Path, losses: list[float]):
    def train(*arguments: str) -> list[float]:
        losses.clear()
        run([*FIT, "--model.gradients", "hand", "--trainer.max_steps", "8", *arguments])
        return list(losses)

    dropped = train("--model.dropout", "0.5")
    assert dropped == train("--model.dropout", "0.5")
    assert dropped != train()


@pytest.mark.parametrize(("name", "value"), [("regularization", -1.0), ("label_smoothing", 1.0)])
def test_invalid_settings_are_refused_by_name(name: str, value: object):
    with pytest.raises(ValueError, match=name):
        Classifier(gradients="hand", **{name: value})
