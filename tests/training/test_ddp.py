"""Two real processes train together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TWO = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]


def processes(command: list[str], root: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    environment["MADE_ROOT"] = str(root)
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("gradients", ["autograd", pytest.param("hand", marks=pytest.mark.long)])
def test_two_processes_fit_one_pca_and_take_the_steps_of_one_with_twice_the_batch(small_cifar: Path, gradients: str):
    common = [
        "--model.gradients",
        gradients,
        "--data.n_components",
        "6",
        "--model.hidden_sizes",
        "[8]",
        "--trainer.max_epochs",
        "1",
    ]
    common += ["--model.optimizer", "SGD", "--model.optimizer.lr", "0.01", "--model.initialization", "kaiming"]
    common += ["--trainer.precision", "64-true", "--data.dtype", "float64"]
    fit = ["-m", "tests.made_cifar", "fit", *common]
    printed = processes([*fit, *TWO, "--data.batch_size", "25", "--trainer.default_root_dir", "two"], small_cifar)
    assert printed.count("fitting PCA") == 1
    processes([*fit, "--data.batch_size", "50", "--trainer.default_root_dir", "one"], small_cifar)
    two, one = (torch.load(next(Path(folder).rglob("last.ckpt"))) for folder in ("two", "one"))
    assert two["global_step"] == one["global_step"] == 5
    for name, weight in one["state_dict"].items():
        assert torch.allclose(two["state_dict"][name], weight, rtol=1e-9), name


@pytest.mark.long
@pytest.mark.slow
def test_the_program_behind_fit_sh_evaluates_once(own_home: Path):
    settings = ["--data.source", "digits", "--data.batch_size", "50", "--trainer.max_epochs", "1", *TWO]
    printed = processes([str(ROOT / "scripts" / "fit_and_test.py"), *settings], own_home)
    assert printed.count("accuracy on digits") == 1
    assert len(list(Path().rglob("results.json"))) == 1
