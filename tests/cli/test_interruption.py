"""Ctrl-C and SIGTERM end the program with one line, and two runs never share a folder."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.cli.run_logger import RunLogger
from tests.training.killed import ended, start

FIT = ["fit", "--data.source", "digits", "--data.batch_size", "20", "--views.all", "false"]
FIT += ["--model.hidden_sizes", "[8]", "--trainer.max_epochs", "100000", "--trainer.enable_model_summary", "false"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_training_says_how_to_go_on(tmp_path: Path, number: signal.Signals, code: int):
    process = start(FIT, tmp_path / "run")
    last = tmp_path / "run/lightning_logs/digits-default/version_0/checkpoints/last.ckpt"
    until = time.monotonic() + 60
    while not last.is_file() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, number)
    assert ended(process) == code
    printed = (tmp_path / "run/output.txt").read_text()
    assert "Traceback" not in printed
    assert f"resume with: cifar-mlp fit --ckpt_path {last.relative_to(tmp_path / 'run')}" in printed.splitlines()[-1]


@pytest.mark.parametrize(
    ("seconds", "number", "said"), [(0.0, signal.SIGINT, "interrupted"), (0.6, signal.SIGTERM, "stopped by SIGTERM")]
)
def test_a_signal_while_the_program_imports_is_one_line(seconds: float, number: signal.Signals, said: str):
    process = subprocess.Popen(
        [sys.executable, "-m", "cifar_mlp", *FIT], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    mapped, until = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
    while mapped.is_file() and "site-packages" not in mapped.read_text() and time.monotonic() < until:
        time.sleep(0.01)  # until then Python itself starts, and answers
    time.sleep(seconds)
    process.send_signal(number)
    assert process.communicate(timeout=60)[1] == f"cifar-mlp: {said}\n"
    assert process.returncode == 128 + number


def test_ctrl_c_once_the_work_is_done_changes_nothing():
    """At the very end of the process, when even what was registered first for it runs."""
    script = (
        "import atexit, os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "from cifar_mlp.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_loggers_that_start_together_get_folders_of_their_own():
    loggers = [RunLogger("logs", "run") for _ in range(8)]
    together = threading.Barrier(len(loggers))
    versions: list[int | str] = []

    def claim(logger: RunLogger) -> None:
        together.wait()
        versions.append(logger.version)

    threads = [threading.Thread(target=claim, args=(logger,)) for logger in loggers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, versions)) == sorted(str(number) for number in range(8))


def test_curves_that_cannot_be_written_are_one_warning(monkeypatch: pytest.MonkeyPatch):
    logger = RunLogger("logs", "run")
    monkeypatch.setattr(logger.experiment, "add_scalar", _full)
    with pytest.warns(UserWarning, match="curves and pictures are not written any more"):
        logger.log_metrics({"loss": 1.0}, 1)
    logger.log_metrics({"loss": 1.0}, 2)  # silent: a second warning would be an error here


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_error_of_all_processes_is_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for error, rank, lines in ((ValueError, "0", 1), (ValueError, "1", 0), (KeyError, "1", 1)):
        monkeypatch.setenv("CIFAR_MLP_PARENT", "1")
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(SystemExit) as ended_with, errors_in_one_line():
            raise error("what was asked for")
        assert ended_with.value.code == 1
        assert len(capsys.readouterr().err.splitlines()) == lines
