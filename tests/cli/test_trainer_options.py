"""Lightning's own options and callbacks: they do what they are for, or are refused before training starts."""

import re
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelPruning
from lightning.pytorch.plugins.io import AsyncCheckpointIO

from cifar_mlp.cli import main, run
from cifar_mlp.cli.checkpoint_option import is_named
from cifar_mlp.cli.trainer_options import require_sane
from cifar_mlp.cli.warning_filters import one_line_warnings
from cifar_mlp.models.hand_derived.coverage import why_autograd
from cifar_mlp.training.checkpoint_file import WholeCheckpointIO, keep_files_whole
from tests.training.killed import ended, start

FIT = ["fit", "--data.source", "digits", "--data.n_components", "10", "--model.hidden_sizes", "[8]"]
FIT += [
    "--data.batch_size",
    "300",
    "--trainer.precision",
    "32-true",
    "--trainer.max_epochs",
    "2",
    "--views.all",
    "false",
]
PLATEAU = ["--model.lr_scheduler", "ReduceLROnPlateau", "--model.lr_scheduler.monitor", "val/loss"]
SANE = {
    "accumulate_grad_batches": 1, "check_val_every_n_epoch": 1, "gradient_clip_val": None, "log_every_n_steps": None,
    "num_sanity_val_steps": -1, "min_epochs": None, "min_steps": None, "max_epochs": 3, "max_steps": -1,
    "val_check_interval": None, "limit_train_batches": None, "barebones": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("gradient_clip_val", -1.0), ("log_every_n_steps", -1), ("num_sanity_val_steps", -2),
        ("val_check_interval", 0.0),
        ("val_check_interval", -3), ("min_epochs", 4), ("min_epochs", -1), ("max_epochs", 0), ("max_steps", 0),
        ("limit_train_batches", 0), ("limit_train_batches", 0.0), ("accumulate_grad_batches", 0), ("barebones", True),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_refused(option: str, value: Any):
    require_sane(Namespace(**SANE), True)
    with pytest.raises(ValueError, match=rf"^--trainer\.{option}\b"):
        require_sane(Namespace(**{**SANE, option: value}), True)


@pytest.mark.parametrize("option", ["overfit_batches", "limit_train_batches", "limit_val_batches"])
def test_a_share_below_one_batch_names_the_option_and_the_least(
    option: str, own_home: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as stopped:
        main([*FIT, f"--trainer.{option}", "0.01"])
    assert stopped.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"--trainer.{option}" in last
    assert re.search(r"0\.01 of (\d+) batches is less than one: give at least 0?\.?\d+, or a whole number$", last)


def test_reloaded_loaders_begin_each_epoch_at_its_beginning(own_home: Path):
    reloaded, once = (
        run([*FIT, "--trainer.reload_dataloaders_every_n_epochs", each]).model.network.state_dict() for each in "10"
    )
    assert all(torch.equal(reloaded[name], once[name]) for name in once)


def test_a_plateau_schedule_waits_for_the_epochs_that_are_validated(own_home: Path):
    command = run([*FIT, *PLATEAU, "--trainer.check_val_every_n_epoch", "2"])
    assert command.trainer.lr_scheduler_configs[0].scheduler.last_epoch == 1  # one step in two epochs
    with pytest.raises(ValueError, match=r"--model\.lr_interval step: the schedule waits for a metric of an epoch"):
        run([*FIT, *PLATEAU, "--model.lr_interval", "step"])
    with pytest.raises(ValueError, match=r"--model\.lr_scheduler\.monitor: .*--trainer.limit_val_batches 0 leaves no"):
        run([*FIT, *PLATEAU, "--trainer.limit_val_batches", "0"])


def test_anomalies_are_looked_for_in_hand_derived_gradients_too(own_home: Path):
    lost = ["--model.gradients", "hand", "--model.optimizer.lr", "1e30", "--trainer.detect_anomaly", "true"]
    with pytest.warns(UserWarning, match="Error detected in HandDerivedLoss"), pytest.raises(RuntimeError, match="nan"):
        run([*FIT, *lost])


def test_a_warning_shows_no_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    one_line_warnings()
    said = UserWarning("Error detected in Log. Traceback of forward call that caused the error:\n  File ...")
    assert warnings.formatwarning(said, UserWarning, "", 0) == "cifar-mlp: warning: Error detected in Log.\n"


def test_pruning_trains_by_autograd():
    trainer = Trainer(callbacks=[ModelPruning("l1_unstructured", amount=0.5)], logger=False, accelerator="cpu")
    assert "ModelPruning" in str(why_autograd(SimpleNamespace(settings={"gradients": "auto"}), trainer))
    with pytest.raises(ValueError, match=r"--model\.gradients hand: ModelPruning"):
        why_autograd(SimpleNamespace(settings={"gradients": "hand"}), trainer)


def test_asynchronous_checkpoints_are_whole_too():
    trainer = Trainer(plugins=[AsyncCheckpointIO()], logger=False, accelerator="cpu")
    keep_files_whole(trainer)
    writer: Any = trainer.strategy.checkpoint_io
    assert isinstance(writer.checkpoint_io, WholeCheckpointIO)


def test_lightning_s_classes_are_named_again_by_their_names():
    arguments = ["--trainer.callbacks", "ModelPruning"]
    assert is_named(arguments, "lightning.pytorch.callbacks.ModelPruning")
    assert not is_named(arguments, "elsewhere.ModelPruning")


@pytest.mark.slow
@pytest.mark.long
def test_a_spawned_process_says_no_more_than_one_alone(tmp_path: Path):
    assert ended(start([*FIT, "--trainer.strategy", "ddp_spawn"], tmp_path / "run")) == 0
    printed = (tmp_path / "run/output.txt").read_text()
    assert "weights_only" not in printed
    assert "`Trainer.fit` stopped" not in printed
