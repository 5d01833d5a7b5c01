"""The default precision of training, and what it does not change."""

from pathlib import Path

import pytest
import torch

from cifar_mlp.cli import run
from cifar_mlp.training import precision
from cifar_mlp.training.precision import suited_precision

RUN = ["fit", "--data.batch_size", "20", "--data.n_components", "12", "--model.hidden_sizes", "[16]"]
RUN += ["--trainer.max_epochs", "1", "--views.all", "false"]


@pytest.mark.parametrize(("units", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_cpu_with_bfloat16_units_uses_them(
    small_cifar: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], units: bool, expected: str
):
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda: units)
    trainer = run([*RUN, "--trainer.accelerator", "cpu"]).trainer
    assert trainer.precision == expected
    assert f"precision {expected} (suits this machine; --trainer.precision chooses another)" in capsys.readouterr().out
    held = trainer.datamodule.train_dataloader().dataset.inputs.dtype
    assert held == (torch.bfloat16 if units else torch.float32)


def test_a_chosen_precision_stays(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    assert run([*RUN, "--trainer.precision", "64-true"]).trainer.precision == "64-true"
    assert "suits this machine" not in capsys.readouterr().out


def test_a_gpu_trains_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "has_bfloat16_units", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (suited_precision("auto"), suited_precision("cpu")) == ("32-true", "bf16-mixed")


def test_features_held_in_bfloat16_train_the_same_bits(small_cifar: Path):
    mixed = [*RUN, "--trainer.precision", "bf16-mixed"]
    networks = [run([*mixed, *extra]).model.network for extra in ([], ["--data.dtype", "float32"])]
    assert all(torch.equal(*pair) for pair in zip(*(network.parameters() for network in networks), strict=True))


@pytest.mark.parametrize("chosen", ["bf16-mixed", "32-true"])
def test_training_reports_what_validate_computes(small_cifar: Path, chosen: str):
    reported = run([*RUN, "--trainer.precision", chosen]).trainer.callback_metrics["val/loss"]
    path = str(next(Path().rglob("last.ckpt")))
    found = run(["validate", "--ckpt_path", path, "--trainer.precision", chosen]).trainer.callback_metrics["val/loss"]
    torch.testing.assert_close(found, reported, rtol=1e-5, atol=0)
