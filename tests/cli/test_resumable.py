"""Which run ``--resume auto`` and ``--ckpt_path`` mean, and what a checkpoint needs to be used."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from cifar_mlp.cli import run
from cifar_mlp.cli.fit_and_test import fit_and_test
from cifar_mlp.models import Classifier

SMALL = [
    "--data.source",
    "digits",
    "--data.n_components",
    "8",
    "--model.hidden_sizes",
    "[4]",
    "--data.batch_size",
    "200",
]
AUTO = ["fit", *SMALL, "--resume", "auto", "--trainer.max_epochs"]
RUNS = Path("lightning_logs/digits-default")
LION = """
import torch

class Lion(torch.optim.SGD):
    def __init__(self, params, lr: float = 0.01):
        super().__init__(params, lr=lr)
"""


def last(version: int) -> dict:
    content: dict = torch.load(RUNS / f"version_{version}/checkpoints/last.ckpt", weights_only=True)
    return content


def test_resume_auto_starts_continues_and_ends(own_home: Path, capsys: pytest.CaptureFixture[str]):
    run([*AUTO, "1"])
    run([*AUTO, "2"])
    assert (last(0)["epoch"], last(0)["global_step"]) == (1, 14)
    before = (RUNS / "version_0/checkpoints/last.ckpt").read_bytes()
    capsys.readouterr()
    run([*AUTO, "2"])
    assert "this run is finished" in capsys.readouterr().out
    assert (RUNS / "version_0/checkpoints/last.ckpt").read_bytes() == before
    run([*AUTO, "1", "--seed_everything", "1"])
    run([*AUTO, "1", "--model.dropout", "0.1"])
    assert sorted(path.name for path in RUNS.iterdir()) == ["version_0", "version_1", "version_2"]
    run([*AUTO, "3"])  # the latest of the same settings, not the latest of all
    assert last(0)["global_step"] == 21
    assert {"config.yaml", "config_2.yaml", "config_3.yaml"} <= {path.name for path in (RUNS / "version_0").iterdir()}
    with pytest.raises(ValueError, match=r"--resume auto .* without --ckpt_path"):
        run([*AUTO, "3", "--ckpt_path", "last"])


def test_a_run_that_stopped_early_is_finished_until_its_limits_change(own_home: Path):
    stop = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor", "digits/val/loss"]
    stop += ["--trainer.callbacks.patience", "0", "--trainer.callbacks.min_delta", "9"]
    for _ in range(2):
        command = run([*AUTO, "9", *stop])
        assert last(0)["global_step"] == 14
    assert command.finished
    assert [type(callback).__name__ for callback in command.trainer.callbacks].count("EarlyStopping") == 1


def test_a_checkpoint_by_name_or_folder(own_home: Path):
    for seed in ("0", "1"):
        run(["fit", *SMALL, "--trainer.max_epochs", "1", "--seed_everything", seed])
    for name, seed in (
        ("last", 1),
        ("best", 1),
        (str(RUNS / "version_0"), 0),
        (str(RUNS / "version_0/checkpoints"), 0),
    ):
        command = run(["validate", "--ckpt_path", name])
        assert command.datamodule.seed == seed, name
    assert run(["test", "--ckpt_path", str(RUNS / "version_0")]).checkpoint_path.endswith("best.ckpt")
    run(["fit", "--ckpt_path", str(RUNS / "version_0"), "--trainer.max_epochs", "2"])
    assert last(0)["global_step"] == 14
    for name, said in (("gone", "no such file"), (".", "neither a last.ckpt nor a best.ckpt")):
        with pytest.raises(FileNotFoundError, match=rf"--ckpt_path {name}: .*{said}"):
            run(["validate", "--ckpt_path", name])


def test_only_training_needs_an_optimizer_of_one_s_own(own_home: Path, monkeypatch: pytest.MonkeyPatch):
    Path("my_lion.py").write_text(LION)
    monkeypatch.syspath_prepend(str(own_home))
    named = ["--model.optimizer", "my_lion.Lion"]
    run(["fit", *SMALL, "--trainer.max_epochs", "1", *named, "--model.optimizer.lr", "0.5"])
    monkeypatch.delitem(sys.modules, "my_lion")
    path = str(RUNS / "version_0/checkpoints/last.ckpt")
    for command in ("validate", "test", "predict"):
        run([command, "--ckpt_path", path])
    assert (
        Classifier.load_from_checkpoint(path, weights_only=True).settings["optimizer"]["class_path"] == "my_lion.Lion"
    )
    assert "my_lion" not in sys.modules
    with pytest.raises(ValueError, match=r"my_lion.Lion, which is not imported: .* --model.optimizer my_lion.Lion"):
        run(["fit", "--ckpt_path", path, "--trainer.max_epochs", "2"])
    command = run(["fit", "--ckpt_path", path, "--trainer.max_epochs", "2", *named])
    assert command.trainer.optimizers[0].param_groups[0]["lr"] == 0.5


def test_a_checkpoint_brings_no_class_along_that_could_run_anything(own_home: Path):
    run(["fit", *SMALL, "--trainer.max_epochs", "1"])
    content = last(0)
    content["config"] = "trainer:\n  callbacks:\n  - class_path: planted.Callback\n"
    torch.save(content, "planted.ckpt")
    Path("planted.py").write_text("raise SystemExit('imported')")
    with pytest.raises(ValueError, match=r"the run had --trainer.callbacks planted.Callback, .* name it again"):
        run(["fit", "--ckpt_path", "planted.ckpt", "--trainer.max_epochs", "2"])


def test_an_interrupted_job_s_checkpoint_is_not_taken_unasked(own_home: Path, monkeypatch: pytest.MonkeyPatch):
    run(["fit", *SMALL, "--trainer.max_epochs", "1"])
    shutil.copy(RUNS / "version_0/checkpoints/last.ckpt", "hpc_ckpt_1.ckpt")
    for name in ("NODEID", "PROCID", "LOCALID"):
        monkeypatch.setenv(f"SLURM_{name}", "0")
    for name, value in (("NTASKS", "1"), ("JOB_NAME", "train"), ("JOB_ID", "7"), ("NODELIST", "localhost")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(ValueError, match=r"hpc_ckpt_1.ckpt is of an interrupted job"):
        run(["fit", *SMALL, "--trainer.max_epochs", "1"])
    results = fit_and_test([*AUTO[1:], "3"])  # continues with the run, and tests its own weights
    assert last(0)["global_step"] == 21
    tested = run(["validate", "--ckpt_path", str(RUNS / "version_0/checkpoints/last.ckpt")]).trainer.callback_metrics
    assert results["last"]["val/loss"] == pytest.approx(float(tested["digits/val/loss"]))
    (RUNS / "version_0/results.json").write_text('{"provenance": 5}')
    with pytest.raises(ValueError, match=r"results.json is damaged \(no last epoch"):
        fit_and_test([*AUTO[1:], "3"])
    shutil.rmtree("lightning_logs")
    run([*AUTO, "2"])  # nothing else is left of the job
    assert last(0)["global_step"] == 14
