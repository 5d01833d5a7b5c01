"""Two real processes train together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_two_processes_fit_one_pca_and_end_with_the_same_weights(small_cifar: Path):
    command = [sys.executable, "-m", "tests.made_cifar", "fit", "--data.batch_size", "20"]
    command += ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    command += ["--trainer.max_epochs", "2", "--data.n_components", "6", "--model.hidden_sizes", "[8]"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    environment["MADE_ROOT"] = str(small_cifar)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("fitting PCA") == 1
    (checkpoint,) = Path().rglob("last.ckpt")
    content = torch.load(checkpoint, weights_only=True)
    assert content["global_step"] == 2 * 7  # 125 images a process, 20 a step
    assert torch.isfinite(content["state_dict"]["network.output.weight"]).all()
    assert content["state_dict"]["preprocessing.pca.components"].shape == (6, 3072)
