"""Killed and resumed at any step, a run ends with the same bits."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cifar_mlp.cli import run

ROOT = Path(__file__).resolve().parents[2]
RUN = ["fit", "--data.batch_size", "20", "--model.hidden_sizes", "[16]", "--model.dropout", "0.3"]
RUN += ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.9"]
LAST = "cifar_mlp.callbacks.checkpoints.LastCheckpoint"
EACH_STEP = ["--trainer.callbacks+", LAST, "--trainer.callbacks.every_n_train_steps", "1"]


def weights(folder: str) -> dict[str, torch.Tensor]:
    (path,) = Path(folder).rglob("last.ckpt")
    content = torch.load(path, weights_only=True)
    assert content["global_step"] == 39
    return {**content["state_dict"], "momentum": content["optimizer_states"][0]["state"][0]["exp_avg"]}


@pytest.mark.parametrize("sampling", ["epoch", "replacement"])
@pytest.mark.parametrize("stop_at", [13, 20, 26])
def test_a_run_stopped_at_a_step_ends_as_if_unbroken(small_cifar: Path, sampling: str, stop_at: int):
    steps_per_epoch = {"epoch": 13, "replacement": 12}[sampling]
    settings = [*RUN, "--data.sampling", sampling, "--trainer.max_steps", "39"]
    run([*settings, "--trainer.default_root_dir", "unbroken"])
    run([*settings[:-1], str(stop_at), "--trainer.default_root_dir", "first"])
    (checkpoint,) = Path("first").rglob("last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] == stop_at
    run([*settings, "--trainer.default_root_dir", "second", "--ckpt_path", str(checkpoint)])
    expected, found = weights("unbroken"), weights("second")
    assert all(torch.equal(found[name], value) for name, value in expected.items()), stop_at % steps_per_epoch
    other = ["--seed_everything", "1", "--trainer.default_root_dir", "other"]
    run([*settings, *other])
    assert not torch.equal(weights("other")["network.output.weight"], expected["network.output.weight"])


def test_a_schedule_by_epochs_continues_hand_derived_too(small_cifar: Path):
    hand = [*RUN, "--model.gradients", "hand", "--model.initialization", "kaiming", "--trainer.max_steps"]
    run([*hand, "39", "--trainer.default_root_dir", "unbroken"])
    run([*hand, "26", "--trainer.default_root_dir", "first"])
    (checkpoint,) = Path("first").rglob("last.ckpt")
    run([*hand, "39", "--trainer.default_root_dir", "second", "--ckpt_path", str(checkpoint)])
    found, expected = (torch.load(next(Path(folder).rglob("last.ckpt"))) for folder in ("second", "unbroken"))
    assert found["lr_schedulers"] == expected["lr_schedulers"]
    assert all(torch.equal(found["state_dict"][name], value) for name, value in expected["state_dict"].items())


@pytest.mark.long
def test_a_killed_process_leaves_a_whole_checkpoint_to_continue_from(small_cifar: Path):
    process = [sys.executable, "-m", "tests.made_cifar", *RUN, *EACH_STEP]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    environment["MADE_ROOT"] = str(small_cifar)
    killed = subprocess.Popen(
        [*process, "--trainer.max_epochs", "-1", "--trainer.default_root_dir", "killed"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.time() + 120
    while not list(Path("killed").rglob("last.ckpt")) and time.time() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (checkpoint,) = Path("killed").rglob("last.ckpt")
    shutil.copy(checkpoint, "checkpoint.ckpt")
    step = torch.load("checkpoint.ckpt", weights_only=True)["global_step"]
    end = ["--trainer.max_epochs", "-1", "--trainer.max_steps", str(step + 17)]
    for folder, resume in (("resumed", ["--ckpt_path", "checkpoint.ckpt"]), ("unbroken", [])):
        done = subprocess.run(
            [*process, *end, *resume, "--trainer.default_root_dir", folder],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    found, expected = (torch.load(next(Path(folder).rglob("last.ckpt"))) for folder in ("resumed", "unbroken"))
    assert found["global_step"] == expected["global_step"] == step + 17
    assert all(torch.equal(found["state_dict"][name], value) for name, value in expected["state_dict"].items())
