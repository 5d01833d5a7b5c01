"""A running average of the weights: what it is, who uses it, and that it survives an interruption."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from cifar_mlp.cli import run
from cifar_mlp.models import Classifier

RUN = ["fit", "--data.source", "digits", "--data.n_components", "12", "--data.batch_size", "100"]
RUN += ["--model.hidden_sizes", "[16]", "--model.normalization", "batch", "--model.dropout", "0.2"]
RUN += ["--model.optimizer.lr", "0.02", "--trainer.precision", "32-true", "--views.all", "false"]
AVERAGED = [*RUN, "--model.ema_decay", "0.8", "--trainer.max_epochs", "3"]


class Trained(Callback):
    """Keeps the weights that each step has left."""

    def __init__(self) -> None:
        self.weights: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.weights.append({name: value.clone() for name, value in pl_module.network.state_dict().items()})


def averaged(weights: list[dict[str, Tensor]], decay: float, name: str) -> Tensor:
    average = weights[0][name]
    for step, each in enumerate(weights, start=1):
        share = max(1 - decay, 9 / (step + 9))
        average = average * (1 - share) + each[name] * share
    return average


def content(folder: str) -> dict[str, Any]:
    (path,) = Path(folder).rglob("last.ckpt")
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


@pytest.mark.parametrize("gradients", ["autograd", "hand"])
def test_the_network_at_the_end_is_the_average_of_all_steps(gradients: str, monkeypatch: pytest.MonkeyPatch):
    trained = Trained()
    right = Classifier.configure_callbacks
    monkeypatch.setattr(Classifier, "configure_callbacks", lambda self: [*right(self), trained])
    command = run([*AVERAGED, "--model.gradients", gradients])
    assert len(trained.weights) == 39
    for name, value in command.model.network.state_dict().items():
        if value.is_floating_point():
            expected = averaged(trained.weights, 0.8, name)
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6)
            assert not torch.allclose(value, trained.weights[-1][name], rtol=1e-3, atol=1e-4), "the check could fail"
    assert int(command.model.network.hidden[0].normalization.num_batches_tracked) == 39


def test_validation_checkpoint_and_test_of_it_use_the_average():
    command = run([*AVERAGED, "--trainer.default_root_dir", "run"])
    validated = float(command.trainer.callback_metrics["digits/val/loss"])
    (checkpoint,) = Path("run").rglob("last.ckpt")
    again = run(["validate", "--ckpt_path", str(checkpoint)])
    assert float(again.trainer.callback_metrics["digits/val/loss"]) == pytest.approx(validated, rel=1e-5)
    saved, network = content("run")["state_dict"], command.model.network.state_dict()
    assert all(torch.equal(saved[f"network.{name}"], value) for name, value in network.items())
    plain = run([*RUN, "--trainer.max_epochs", "3"])
    assert float(plain.trainer.callback_metrics["digits/val/loss"]) != pytest.approx(validated, rel=1e-3)


def test_a_checkpoint_within_an_epoch_holds_the_average_too(monkeypatch: pytest.MonkeyPatch):
    class Saved(Trained):
        def on_train_batch_end(self, trainer: Any, *others: Any) -> None:
            super().on_train_batch_end(trainer, *others)
            if len(self.weights) == 20:
                trainer.save_checkpoint("within.ckpt")

    trained, right = Saved(), Classifier.configure_callbacks
    monkeypatch.setattr(Classifier, "configure_callbacks", lambda self: [*right(self), trained])
    run(AVERAGED)
    saved = torch.load("within.ckpt", weights_only=True)["state_dict"]
    for name in ("hidden.0.affine.weight", "hidden.0.normalization.running_var"):
        expected = averaged(trained.weights[:20], 0.8, name)
        torch.testing.assert_close(saved[f"network.{name}"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stop_at", [20, 26])
@pytest.mark.parametrize("gradients", ["autograd", "hand"])
def test_a_run_stopped_at_a_step_ends_as_if_unbroken(gradients: str, stop_at: int):
    settings = [*AVERAGED, "--model.gradients", gradients]
    run([*settings, "--trainer.default_root_dir", "unbroken"])
    run([*settings, "--trainer.max_steps", str(stop_at), "--trainer.default_root_dir", "first"])
    (checkpoint,) = Path("first").rglob("last.ckpt")
    again = ["--trainer.max_steps", "-1", "--trainer.max_epochs", "3", "--trainer.default_root_dir", "second"]
    run(["fit", "--ckpt_path", str(checkpoint), *again])
    found, expected = content("second"), content("unbroken")
    trained = [each["callbacks"]["AveragedWeights"]["trained"] for each in (found, expected)]
    for mine, its in ((found["state_dict"], expected["state_dict"]), trained):
        assert all(torch.equal(mine[name], value) for name, value in its.items())


def test_a_checkpoint_within_an_epoch_holds_the_average_and_what_is_trained():
    each_step = ["--trainer.callbacks+", "cifar_mlp.callbacks.checkpoints.LastCheckpoint"]
    each_step += ["--trainer.callbacks.every_n_train_steps", "1", "--trainer.limit_train_batches", "5"]
    run([*AVERAGED, *each_step, "--trainer.default_root_dir", "run"])
    saved = content("run")
    kept = saved["callbacks"]["AveragedWeights"]
    assert kept["steps"] == 15
    assert not torch.equal(kept["trained"]["output.weight"], saved["state_dict"]["network.output.weight"])


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_out_of_range_is_refused_by_name(decay: float):
    with pytest.raises(ValueError, match="ema_decay must be in"):
        Classifier(4, ema_decay=decay)
