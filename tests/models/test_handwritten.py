"""The classifier with gradients by hand beside autograd, through the same command line."""

import functools
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from cifar_mlp.cli import run
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import HandwrittenClassifier
from cifar_mlp.models.training_mean import TrainingMean
from cifar_mlp.parity import layers

HAND = ["fit", "--model", "HandwrittenClassifier", "--data.batch_size", "20", "--trainer.precision", "64-true"]
HAND += ["--data.dtype", "float64", "--data.sampling", "replacement"]


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


def by_autograd(data: CIFAR10DataModule, network: torch.nn.Module, settings: dict, steps: int) -> list[float]:
    """Losses of torch.optim.SGD on autograd's gradients, over the same batches."""
    optimizer = torch.optim.SGD(network.parameters(), lr=settings["lr"])
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, settings["step_size"], settings["gamma"])
    loader = data.train_dataloader()
    loader.trainer = None
    found: list[float] = []
    while len(found) < steps:
        loader.order.begin_at(*divmod(len(found), len(loader)))
        for batch in loader:
            optimizer.zero_grad()
            penalty = sum(weight.square().sum() for weight in network.parameters() if weight.ndim == 2)
            loss = cross_entropy(network(batch.inputs), batch.labels) + settings["regularization"] * penalty
            loss.backward()
            optimizer.step()
            schedule.step()
            found.append(loss.item())
    return found[:steps]


def both_ways(losses: list[float], steps: int, arguments: list[str], settings: dict) -> tuple[list[float], list[float]]:
    """Losses by hand and by autograd from the same start."""
    options = ["--trainer.max_steps", str(steps), "--model.regularization", str(settings["regularization"])]
    options += ["--model.optimizer", "SGD", "--model.optimizer.lr", str(settings["lr"]), "--model.lr_interval", "step"]
    options += ["--model.lr_scheduler", "StepLR", "--model.lr_scheduler.step_size", str(settings["step_size"])]
    options += ["--model.lr_scheduler.gamma", str(settings["gamma"])]
    command = run([*HAND, *arguments, *options])
    torch.manual_seed(0)
    model = command.model
    start = type(model)(
        **{name: value for name, value in model.settings.items() if name not in ("optimizer", "lr_scheduler")}
    )
    return losses, by_autograd(command.datamodule, start.network.double(), settings, steps)


SETTINGS = {"lr": 0.02, "regularization": 0.01, "step_size": 7, "gamma": 0.9}


@pytest.mark.parametrize(
    "network",
    [
        ["--model.hidden_sizes", "[16]"],
        ["--model.hidden_sizes", "[]"],
        ["--model.hidden_sizes", "[12, 9]", "--model.activation", "gelu", "--model.normalization", "layer"],
    ],
    ids=["two layers", "linear", "three layers"],
)
def test_steps_by_hand_are_autograd_s(small_cifar: Path, losses: list[float], network: list[str]):
    start = ["--model.initialization", "kaiming", "--data.n_components", "20", "--data.whiten", "true"]
    hand, autograd = both_ways(losses, 30, [*network, *start], SETTINGS)
    assert hand == pytest.approx(autograd, abs=1e-12)
    assert len(set(hand)) == 30


def test_the_comparison_catches_a_wrong_gradient(
    small_cifar: Path, losses: list[float], monkeypatch: pytest.MonkeyPatch
):
    halved = functools.partial(
        lambda true, dw, factor, w, out=None: true(dw, factor / 2, w, out), layers.l2_penalty_backward
    )
    monkeypatch.setattr(layers, "l2_penalty_backward", halved)
    start = ["--model.hidden_sizes", "[16]", "--model.initialization", "kaiming", "--data.n_components", "20"]
    hand, autograd = both_ways(losses, 30, start, SETTINGS)
    assert hand != pytest.approx(autograd, abs=1e-12)


@pytest.mark.real_data
@pytest.mark.parity
def test_200_steps_on_cifar10_s_components_equal_autograd_s_to_1e_10(real_root: str, losses: list[float]):
    """The report's tuned network, on a fold's worth of the real components in float64."""
    settings = {"lr": 1e-3, "regularization": 1e-4, "step_size": 245, "gamma": 0.9}
    report = ["--model.hidden_sizes", "[600]", "--data.n_components", "510", "--data.scaling", "mean_image"]
    hand, autograd = both_ways(losses, 200, [*report, "--data.batch_size", "200"], settings)
    assert max(abs(a - b) for a, b in zip(hand, autograd, strict=True)) < 1e-10
    assert hand[0] == pytest.approx(2.302585, abs=1e-3)
    assert hand[-1] < 1.9


def test_steps_schedules_and_checkpoints_count_as_anywhere_else(small_cifar: Path):
    command = run([*HAND, "--trainer.max_steps", "31", "--model.lr_scheduler", "ExponentialLR",
                   "--model.lr_scheduler.gamma", "0.5", "--model.optimizer", "SGD"])  # fmt: skip
    assert command.trainer.global_step == 31
    assert command.trainer.optimizers[0].param_groups[0]["lr"] == 1e-3 * 0.5**2  # 12 steps an epoch: two whole ones
    content = torch.load(next(Path().rglob("last.ckpt")), weights_only=True)
    assert content["global_step"] == 31
    assert content["cifar_mlp"]["model"] == "HandwrittenClassifier"
    again = run(["test", "--ckpt_path", str(next(Path().rglob("best.ckpt")))])
    assert type(again.model) is HandwrittenClassifier


def test_the_named_class_brings_its_own_defaults(small_cifar: Path):
    model = run([*HAND, "--trainer.fast_dev_run", "1"]).model
    assert model.settings["hidden_sizes"] == [50]
    assert model.settings["optimizer"]["class_path"] == "torch.optim.sgd.SGD"


def test_dropout_by_hand_drops_and_its_masks_follow_the_step(small_cifar: Path, losses: list[float]):
    def train(*arguments: str) -> list[float]:
        losses.clear()
        run([*HAND, "--model.initialization", "kaiming", "--trainer.max_steps", "8", *arguments])
        return list(losses)

    dropped = train("--model.dropout", "0.5")
    assert dropped == train("--model.dropout", "0.5")
    assert dropped != train()


@pytest.mark.parametrize(("name", "value"), [("regularization", -1.0), ("normalization", "batch")])
def test_what_cannot_be_is_refused_by_name(name: str, value: object):
    with pytest.raises(ValueError, match=name):
        HandwrittenClassifier(**{name: value})
