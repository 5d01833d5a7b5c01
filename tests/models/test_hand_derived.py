"""Hand-derived steps: autograd's numbers, caught faults, one optimizer state, and matmuls that are chosen once."""

import copy
import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from cifar_mlp.data.augment.mixing import MixedBatch
from cifar_mlp.models import Classifier
from cifar_mlp.models.hand_derived import matmuls as libraries
from cifar_mlp.models.hand_derived.activations import ACTIVATION_KERNELS
from cifar_mlp.models.hand_derived.flat import FlatParameters
from cifar_mlp.models.hand_derived.matmuls import MatmulChoice
from cifar_mlp.models.hand_derived.steps import HandDerivedSteps
from cifar_mlp.models.loss import mixed_loss, mixed_targets
from cifar_mlp.models.mlp import ACTIVATIONS, MLP
from cifar_mlp.parity.faults import FAULTS, planted

N, D, C = 32, 130, 10
ROUNDING = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.03}
ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3, "weight_decay": 1e-3}}


def worst_error(
    network: MLP, inputs: Tensor, labels: Tensor, smoothing: float, regularization: float, matmuls: str = "auto",
    half: bool = False,
) -> float:  # fmt: skip
    """The largest difference of loss, gradients and moments from autograd's, relative to the largest gradient."""
    witness = copy.deepcopy(network)
    steps = HandDerivedSteps(network, smoothing, regularization, MatmulChoice(matmuls))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        torch.manual_seed(1)
        ours, _ = steps(inputs, labels)
        torch.manual_seed(1)
        theirs = cross_entropy(witness(inputs), labels, label_smoothing=smoothing)
    theirs = theirs + regularization * witness.squared_weights()
    theirs.backward()
    expected = [parameter.grad for parameter in witness.parameters()]
    largest = max(gradient.norm() for gradient in expected)
    errors = [(mine - its).norm() / largest for mine, its in zip(steps.gradients, expected, strict=True)]
    errors += [
        (a - b).float().norm() / b.float().norm() for a, b in zip(network.buffers(), witness.buffers(), strict=True)
    ]
    return max(float(error) for error in [*errors, (ours / theirs.detach() - 1).abs()])


def draw(dtype: torch.dtype, *settings: object, scale: float = 1.0, blocks: int = 0) -> tuple[MLP, Tensor, Tensor]:
    network = MLP(D, C, [140, 120], *settings, residual_blocks=blocks, expansion=2).to(dtype)
    for layer in network.hidden[2:]:
        torch.nn.init.normal_(layer.exit.weight, std=0.05)  # at its start of 0 a block would hide mistakes
    return network, scale * torch.randn(N, D, dtype=dtype), torch.randint(C, (N,))


NETWORKS = list(itertools.product(ACTIVATIONS, ("none", "batch", "layer")))


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("activation", "normalization"), NETWORKS)
def test_a_step_is_autograd_s(activation: str, normalization: str, dtype: torch.dtype):
    half = dtype == torch.bfloat16
    for dropout, matmuls in ((0.0, "onednn"), (0.3, "pytorch")):
        problem = draw(torch.float32 if half else dtype, activation, dropout, normalization)
        assert worst_error(*problem, 0.1, 0.01, matmuls, half) < ROUNDING[dtype]


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("activation", "normalization"), [("relu", "none"), ("gelu", "batch"), ("tanh", "layer")])
def test_a_step_through_residual_blocks_is_autograd_s(activation: str, normalization: str, dtype: torch.dtype):
    half = dtype == torch.bfloat16
    for dropout, matmuls in ((0.0, "onednn"), (0.3, "pytorch")):
        problem = draw(torch.float32 if half else dtype, activation, dropout, normalization, blocks=2)
        assert worst_error(*problem, 0.1, 0.01, matmuls, half) < ROUNDING[dtype]


def test_under_bfloat16_the_loss_is_not_rounded_to_it():
    """Near 2.3 it would move in steps of 0.016."""
    network, inputs, labels = draw(torch.float32, "relu", 0.0, "none")
    with torch.autocast("cpu", torch.bfloat16):
        loss, logits = HandDerivedSteps(network, 0.0, 0.0, MatmulChoice("pytorch"))(inputs, labels)
    torch.testing.assert_close(loss, cross_entropy(logits.float(), labels))


def test_two_labels_an_image_are_their_weighted_mean():
    network, inputs, labels = draw(torch.float64, "gelu")
    settings = {"num_classes": C, "label_smoothing": 0.1, "regularization": 0.0}
    batch = MixedBatch(inputs, labels, labels.flip(0), torch.rand(N, dtype=torch.float64))
    theirs, _ = mixed_loss(network, inputs, batch, settings)
    theirs.backward()
    steps = HandDerivedSteps(network, 0.1, 0.0, MatmulChoice())
    ours, _ = steps(inputs, mixed_targets(batch, settings))
    torch.testing.assert_close(ours, theirs.detach())
    for mine, parameter in zip(steps.gradients, network.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad)


# ---- planted faults

UNSEEN = {
    "batch norm: batch moments in evaluation": "steps train",
    "batch norm: not divided in evaluation": "steps train",
    "targets rounded to their largest class": "the labels are classes",
}


def problem_that_shows(layer: str, dtype: torch.dtype) -> tuple[MLP, Tensor, Tensor]:
    normalization = layer.removesuffix("_normalization") if layer.endswith("_normalization") else "none"
    activation = layer if layer in ACTIVATIONS else "relu"
    dropout, blocks = 0.3 if layer == "dropout" else 0.0, int(layer == "residual")
    network, inputs, labels = draw(dtype, activation, dropout, normalization, blocks=blocks)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
        if layer == "relu at the kink":
            network.hidden[0].affine.weight.zero_()
            network.hidden[0].affine.bias.zero_()
        if layer == "extreme logits":
            network.output.bias.add_(1e3)
    return network, inputs, labels


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - UNSEEN.keys()))
def test_a_fault_that_is_planted_in_the_formulas_is_caught_in_the_steps(name: str):
    fault = FAULTS[name]
    dtype = torch.float64 if "float64" in fault.dtypes else torch.float32
    problem = problem_that_shows(fault.layer, dtype)
    assert worst_error(*problem, 0.0, 0.02) < ROUNDING[dtype]
    with planted(name):
        assert not worst_error(*problem, 0.0, 0.02) < ROUNDING[dtype]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_fault_in_a_kernel_is_caught(activation: str, monkeypatch: pytest.MonkeyPatch):
    other = ACTIVATION_KERNELS["silu" if activation != "silu" else "gelu"]
    kernel = ACTIVATION_KERNELS[activation]._replace(backward=other.backward)
    monkeypatch.setitem(ACTIVATION_KERNELS, activation, kernel)
    assert worst_error(*draw(torch.float64, activation), 0.0, 0.0) > ROUNDING[torch.float64]


# ---- whole trainings


def loader(dtype: torch.dtype) -> DataLoader:
    digits = load_digits()
    inputs, labels = torch.tensor(digits.data, dtype=dtype) / 16, torch.tensor(digits.target, dtype=torch.int64)
    return DataLoader(TensorDataset(inputs, labels), 50)


def fit(
    gradients: str,
    steps: int,
    folder: Path,
    precision: str = "64-true",
    resume: Path | None = None,
    callbacks: Sequence[Callback] = (),
    **settings: object,
) -> tuple[Classifier, list[float]]:
    """Train on digits, 36 batches an epoch; the network, and the loss of each step."""
    torch.manual_seed(0)
    options = {"hidden_sizes": [150, 110], "activation": "leaky_relu", "optimizer": ADAM, **settings}
    model = Classifier(64, gradients=gradients, **options)
    losses: list[float] = []
    add = model.training_mean.add
    model.training_mean.add = lambda loss, *others: (losses.append(loss.item()), add(loss, *others))[1]
    options = {"accelerator": "cpu", "devices": 1, "precision": precision, "default_root_dir": folder, "logger": False}
    options |= dict.fromkeys(["enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    options |= {"gradient_clip_val": 1.0 if precision != "bf16-mixed" else None, "max_epochs": -(-steps // 36)}
    trainer = Trainer(**options, max_steps=-1 if steps % 36 == 0 else steps, callbacks=list(callbacks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice
        trainer.fit(model, loader(torch.float64 if precision == "64-true" else torch.float32), ckpt_path=resume)
    trainer.save_checkpoint(folder / f"{gradients}-{steps}.ckpt")
    return model, losses


@pytest.mark.parametrize(
    ("precision", "close"), [("64-true", 1e-10), ("32-true", 2e-3), ("bf16-mixed", 0.1)], ids=lambda value: str(value)
)
def test_200_steps_are_autograd_s(precision: str, close: float, tmp_path: Path):
    ours, mine = fit("hand", 200, tmp_path, precision)
    theirs, its = fit("autograd", 200, tmp_path, precision)
    assert len(mine) == 200
    assert max(abs(a - b) for a, b in zip(mine, its, strict=True)) < close
    for a, b in zip(ours.network.parameters(), theirs.network.parameters(), strict=True):
        assert (a - b).norm() <= close * b.norm()
    assert its[-1] < its[0] / 2


def test_a_training_that_is_resumed_ends_with_the_same_bits_and_so_does_autograd_s_checkpoint(tmp_path: Path):
    whole, _ = fit("hand", 72, tmp_path)
    fit("hand", 36, tmp_path)
    resumed, _ = fit("hand", 72, tmp_path, resume=tmp_path / "hand-36.ckpt")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    fit("autograd", 36, tmp_path)
    saved, former = (torch.load(tmp_path / f"{how}-36.ckpt") for how in ("hand", "autograd"))
    (ours,), (theirs,) = saved["optimizer_states"], former["optimizer_states"]
    assert ours["param_groups"] == theirs["param_groups"]
    assert ours["state"].keys() == theirs["state"].keys()
    for index, state in theirs["state"].items():
        for name, value in state.items():
            torch.testing.assert_close(ours["state"][index][name], value, rtol=0, atol=1e-10)
    for now, before in (("hand", "autograd"), ("autograd", "hand")):
        continued, _ = fit(now, 72, tmp_path, resume=tmp_path / f"{before}-36.ckpt")
        for a, b in zip(whole.parameters(), continued.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["SGD", "Adafactor"])
def test_an_optimizer_that_sees_all_parameters_together_gets_them_one_by_one(optimizer: str, tmp_path: Path):
    recipe = {"class_path": f"torch.optim.{optimizer}", "init_args": {"lr": 0.01}}
    model, losses = fit("hand", 40, tmp_path, optimizer=recipe)
    _, theirs = fit("autograd", 40, tmp_path, optimizer=recipe)
    assert losses == pytest.approx(theirs, abs=1e-10)
    assert len(model.trainer.optimizers[0].param_groups[0]["params"]) == (1 if optimizer == "SGD" else 6)


def test_accumulated_batches_add_up():
    network, inputs, labels = draw(torch.float64, "relu")
    flat = FlatParameters(list(network.parameters()))
    steps = HandDerivedSteps(network, 0.0, 0.0, MatmulChoice(), flat)
    for half in (slice(0, N // 2), slice(N // 2, N)):
        steps(inputs[half], labels[half])
        steps.deliver(0.5)
    together = [parameter.grad.clone() for parameter in network.parameters()]
    flat.parameter.grad = None
    steps(inputs, labels)
    steps.deliver()
    for parameter, gradient in zip(network.parameters(), together, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


# ---- matmuls


def test_the_faster_library_is_taken_and_kept(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(libraries, "_seconds", lambda way: next(clock) % 2)  # the second way takes longer
    requested = (N, 140, D, torch.float32, torch.device("cpu"))
    choice = MatmulChoice()
    assert choice.backward_weight(*requested) == "pytorch"
    assert MatmulChoice("onednn").backward_weight(*requested) == "onednn"
    assert MatmulChoice("auto", {"weight 140 x 130 float32": "onednn"}).backward_weight(*requested) == "onednn"
    assert choice.describe() == "0 of 1 matmuls by oneDNN (the faster ones here)"
    next(clock)
    assert choice.backward_weight(*requested) == "pytorch"
    assert MatmulChoice().backward_weight(*requested) == "onednn"
    assert MatmulChoice().backward_weight(N, 9, 9, *requested[3:]) == "pytorch"


@pytest.mark.parametrize("fault", ["missing", "rounded"])
def test_a_library_that_is_absent_or_rounds_is_not_taken(fault: str, monkeypatch: pytest.MonkeyPatch):
    def wrong(a: Tensor, b: Tensor, c: Tensor | None = None, *others: object) -> Tensor:
        if fault == "missing":
            raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")
        return nn.functional.linear(a.bfloat16(), b.bfloat16(), None if c is None else c.bfloat16()).float()

    monkeypatch.setattr(libraries, "onednn", wrong)
    assert MatmulChoice("onednn").forward(N, 140, D, torch.float32, torch.device("cpu"), None) == "pytorch"


TESTED_TORCH = ("2.14.1", "2.15.0")  # with oneDNN's private operator; any other version may use it or fall back


@pytest.mark.skipif(torch.__version__.split("+")[0] not in TESTED_TORCH, reason="not tested with this PyTorch")
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
def test_the_private_operator_is_there_in_the_tested_versions():
    x, w, b = torch.randn(5, 7), torch.randn(3, 7), torch.randn(3)
    torch.testing.assert_close(libraries.onednn(x, w, b), nn.functional.linear(x, w, b))


def test_a_machine_measures_once_so_that_two_runs_choose_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measured: list[str] = []
    answers = iter(["onednn", "pytorch", "pytorch"])
    monkeypatch.setattr(libraries, "_faster", lambda *_: measured.append(next(answers)) or measured[-1])

    def choose() -> str:
        choice = MatmulChoice("auto", None, libraries.choices_in(str(tmp_path / "cache")))
        return choice.backward_weight(N, 140, D, torch.float32, torch.device("cpu"))

    assert [choose(), choose()] == ["onednn", "onednn"]
    (kept,) = (tmp_path / "cache").glob("matmuls-*.json")
    kept.write_text(kept.read_text().replace('"onednn"', '"another"'))
    assert [choose(), choose()] == ["pytorch", "pytorch"]
    kept.write_text("{")
    assert choose() == "pytorch"
    assert len(measured) == 3
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    assert libraries.choices_in(str(tmp_path / "cache")).path != kept
    assert MatmulChoice("pytorch").describe() == "matmuls by PyTorch"


def test_where_nothing_can_be_kept_it_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(libraries, "_faster", lambda *_: "onednn")
    (tmp_path / "file").write_text("")
    assert libraries.choices_in(str(tmp_path / "file" / "below")).get("x", lambda: "onednn") == "onednn"


# ---- frozen layers


class Freeze(Callback):
    """Freezes the first layer before an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.kept: list[Tensor] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        if trainer.current_epoch == self.epoch:
            first = pl_module.network.hidden[0].requires_grad_(False)
            self.kept = [parameter.detach().clone() for parameter in first.parameters()]


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_layers_that_are_frozen_within_a_training_stay_and_the_others_go_on(
    optimizer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    recipe = {"class_path": f"torch.optim.{optimizer}", "init_args": {"lr": 0.01, "weight_decay": 0.1}}
    recipe["init_args"] |= {"momentum": 0.9} if optimizer == "SGD" else {}
    schedule = {"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.5}}
    found = []
    for gradients in ("hand", "autograd"):
        freeze = Freeze(1)
        more = {"optimizer": recipe, "lr_scheduler": schedule, "callbacks": [freeze]}
        model, losses = fit(gradients, 108, tmp_path, **more)
        for kept, parameter in zip(freeze.kept, model.network.hidden[0].parameters(), strict=True):
            assert torch.equal(kept, parameter)
        found.append((losses, list(model.network.parameters())))
    (ours, mine), (theirs, its) = found
    assert ours == pytest.approx(theirs, abs=1e-10)
    for a, b in zip(mine, its, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("gradients", ["hand", "auto"])
def test_layers_that_are_frozen_before_a_training_stay(gradients: str, tmp_path: Path):
    freeze = Freeze(0)
    freeze.on_fit_start = lambda trainer, module: module.network.hidden[0].requires_grad_(False)
    model, losses = fit(gradients, 36, tmp_path, callbacks=[freeze])
    for kept, parameter in zip(freeze.kept, model.network.hidden[0].parameters(), strict=True):
        assert torch.equal(kept, parameter)
    assert losses[-1] < losses[0]


# ---- the default


class OwnStep(Classifier):
    """A training step that somebody wrote."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return 2 * super().training_step(batch, batch_idx)


OwnStep.training_step.__module__ = "somewhere"


def test_auto_is_hand_derived_on_a_cpu_and_says_where_it_is_not():
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    options: dict[str, Any] = {"hidden_sizes": [200], "optimizer": ADAM}
    made = {"auto": Classifier(130, **options), "frozen": Classifier(130, **options)}
    made["frozen"].network.output.requires_grad_(False)
    made |= {kind: Classifier(130, gradients=kind, matmuls="pytorch", **options) for kind in ("hand", "autograd")}
    made["own step"] = OwnStep(130, **options)
    said = {name: model.describe_steps(trainer, 20) for name, model in made.items()}
    assert said["auto"].startswith("hand-derived gradients, ")
    assert said["auto"].endswith(" of 2 matmuls by oneDNN (the faster ones here)")
    assert said["hand"] == "hand-derived gradients, 0 of 2 matmuls by oneDNN (--model.matmuls pytorch)"
    assert said["autograd"] == "gradients by autograd (--model.gradients autograd)"
    assert said["frozen"] == "gradients by autograd (layers are frozen)"
    assert said["own step"] == "gradients by autograd (OwnStep has a training_step of its own)"
    trainer.strategy._root_device = torch.device("meta")
    assert (
        made["auto"].describe_steps(trainer, 20)
        == "gradients by autograd (the hand-derived step is not measured on meta)"
    )
