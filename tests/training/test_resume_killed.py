"""The program is killed at random moments, started again with the same command, and ends as if it had never been."""

import random
import signal
from pathlib import Path

import pytest

from tests.training.killed import differences, left_by, run_killed, run_to_its_end

LAST = ["--trainer.callbacks+", "cifar_mlp.callbacks.checkpoints.LastCheckpoint"]
COMMON = ["fit", "--data.source", "digits", "--data.batch_size", "20", "--trainer.max_epochs", "6", "--resume", "auto"]
COMMON += ["--views.all", "true", "--views.projector_images", "0", "--trainer.log_every_n_steps", "5"]
SCHEDULE = ["--model.lr_interval", "step", "--model.lr_scheduler"]
RUNS = {
    "dropout, a schedule by step": [
        "--model.hidden_sizes", "[16]", "--model.dropout", "0.3", *SCHEDULE, "OneCycleLR",
        "--model.lr_scheduler.max_lr", "0.01", "--model.lr_scheduler.total_steps", "378",
        *LAST, "--trainer.callbacks.every_n_train_steps", "7",
    ],
    "batch norm, a schedule by epoch": [
        "--model.hidden_sizes", "[16, 8]", "--model.normalization", "batch", "--model.optimizer", "SGD",
        "--model.optimizer.lr", "0.05", "--model.optimizer.momentum", "0.9",
        "--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.8",
    ],
    "EarlyStopping, two validations an epoch": [
        "--model.hidden_sizes", "[16]", "--trainer.val_check_interval", "0.5", "--model.optimizer.lr", "0.05",
        "--trainer.callbacks+", "EarlyStopping", "--trainer.callbacks.monitor", "digits/val/loss",
        "--trainer.callbacks.patience", "2", *LAST, "--trainer.callbacks.every_n_train_steps", "10",
    ],
    "without validation": [
        "--model.hidden_sizes", "[16]", "--model.dropout", "0.3", "--data.val_size", "0",
        *LAST, "--trainer.callbacks.every_n_train_steps", "8",
    ],
    "hand-derived gradients, 64 bits": [
        "--model.hidden_sizes", "[16]", "--model.gradients", "hand", "--trainer.precision", "64-true",
        *LAST, "--trainer.callbacks.every_n_train_steps", "9",
    ],
    "a plateau, Lightning's own loop": [
        "--model.hidden_sizes", "[16]", "--fast_loop", "false", "--model.optimizer.lr", "0.05",
        "--model.lr_scheduler", "lightning.pytorch.cli.ReduceLROnPlateau", "--model.lr_scheduler.monitor", "val/loss",
        "--model.lr_scheduler.patience", "0", "--trainer.accumulate_grad_batches", "2",
        *LAST, "--trainer.callbacks.every_n_train_steps", "6",
    ],
}  # fmt: skip
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]


def kill_and_compare(folder: Path, name: str, kills: int, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    command = [*COMMON, *RUNS[name]]
    seconds = run_to_its_end(command, folder / "unbroken")
    moments = [chance.uniform(0.15, 1.1) * seconds for _ in range(kills)]
    signals = [chance.choice(SIGNALS) for _ in range(kills)]
    run_killed(command, folder / "killed", moments, signals)
    found = differences(left_by(folder / "killed"), left_by(folder / "unbroken"))
    assert not found, (seed, moments, signals, "\n".join(found))


@pytest.mark.parametrize(
    "name",
    ["dropout, a schedule by step", pytest.param("EarlyStopping, two validations an epoch", marks=pytest.mark.long)],
)
def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path, name: str):
    kill_and_compare(tmp_path, name, 1, random.SystemRandom().randrange(10**6))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", list(RUNS))
@pytest.mark.parametrize("turn", range(2))
def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path, name: str, turn: int):
    kill_and_compare(tmp_path, name, 3, random.SystemRandom().randrange(10**6))
