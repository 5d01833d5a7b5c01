"""Two processes stop together, continue to the same bits, and may be started by two agents of torchrun."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.training.killed import differences, ended, left_by
from tests.training.several import free_port, start_together

ROOT = Path(__file__).resolve().parents[2]
FIT = ["--data.source", "digits", "--data.batch_size", "60", "--model.hidden_sizes", "[16]", "--model.dropout", "0.3"]
FIT += ["--model.lr_interval", "step", "--model.lr_scheduler", "StepLR", "--model.lr_scheduler.step_size", "9"]
FIT += ["--trainer.max_epochs", "5", "--trainer.precision", "32-true", "--views.all", "false"]
FIT += ["--trainer.callbacks+", "cifar_mlp.callbacks.checkpoints.LastCheckpoint"]
FIT += ["--trainer.callbacks.every_n_train_steps", "4", "--resume", "auto"]
ON_TWO = ["--trainer.accelerator", "cpu", "--trainer.devices", "2"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}


def run_on_two(folder: Path) -> None:
    processes = start_together(["fit", *FIT], folder, 2)
    assert [ended(process) for process in processes] == [0, 0], (folder / "output.txt").read_text()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    run_on_two(folder)
    return folder


def wait_until_gone(group: int) -> None:
    """Wait until no process of the group is left; the second one ends after the first has said so."""
    until = time.monotonic() + 30
    with suppress(ProcessLookupError):
        while True:
            os.killpg(group, 0)
            assert time.monotonic() < until, "a process of the run is left"
            time.sleep(0.1)


@pytest.mark.long
def test_sigterm_stops_both_between_two_steps_and_the_run_continues_to_the_same_bits(tmp_path: Path, unbroken: Path):
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    folder = tmp_path / "stopped"
    folder.mkdir()
    command = [sys.executable, "-m", "cifar_mlp", "fit", *FIT, *ON_TWO]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    last, until = "lightning_logs/digits-default/version_0/checkpoints/last.ckpt", time.monotonic() + 200
    while not (folder / last).is_file() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(random.Random(seed).uniform(0, 0.5))
    assert process.poll() is None
    process.terminate()  # the first process alone, as ``kill PID`` does
    error = process.communicate(timeout=100)[1].strip().splitlines()
    assert process.returncode == 143, error
    assert error[-1] == f"cifar-mlp: stopped by SIGTERM; resume with: cifar-mlp fit --ckpt_path {last}"
    assert len(error) == 1
    wait_until_gone(process.pid)
    run_on_two(folder)
    found = differences(left_by(folder), left_by(unbroken))
    assert not found, (seed, "\n".join(found))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("heard_by", [0, 1])
def test_whichever_process_hears_sigterm_both_stop(tmp_path: Path, unbroken: Path, heard_by: int):
    folder = tmp_path / "stopped"
    processes = start_together(["fit", *FIT], folder, 2)
    while not list(folder.rglob("last.ckpt")):
        time.sleep(0.02)
    os.kill(processes[heard_by].pid, signal.SIGTERM)
    assert [ended(process) for process in processes] == [143, 143]
    run_on_two(folder)
    assert not differences(left_by(folder), left_by(unbroken))


@pytest.mark.long
def test_two_agents_of_torchrun_train_the_same_network_in_one_folder(tmp_path: Path, unbroken: Path):
    port = str(free_port())
    nodes = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1", "--master_addr", "127.0.0.1"]
    nodes += ["--master_port", port, "--node_rank"]
    (tmp_path / "same.yaml").write_text("data: {source: digits}\n")  # without a config it takes the report's best
    program = [str(ROOT / "scripts" / "fit_and_test.py"), "--config", "same.yaml", *FIT, "--trainer.accelerator", "cpu"]
    program += ["--trainer.devices", "1", "--trainer.num_nodes", "2"]
    agents = [
        subprocess.Popen(
            [sys.executable, *nodes, rank, *program], cwd=tmp_path, env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for rank in "01"
    ]  # fmt: skip
    printed = [agent.communicate(timeout=250)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], printed
    assert [text.count("accuracy on digits") for text in printed] == [1, 0]
    (results,) = tmp_path.rglob("results.json")
    assert '"test/accuracy"' in results.read_text()
    found = [line for line in differences(left_by(tmp_path), left_by(unbroken)) if not line.startswith("/curves")]
    assert not found  # the curves have the test too
