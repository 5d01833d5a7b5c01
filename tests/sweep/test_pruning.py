"""A training asks after each epoch whether to continue; a trial's process is listened to."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch

from cifar_mlp.callbacks.pruning import REPORT
from cifar_mlp.cli import run
from cifar_mlp.sweep import process
from cifar_mlp.sweep.process import CALLBACK, run_fit
from tests.sweep.fake_worker import FAKE_FIT

FIT = ["fit", "--data.source", "digits", "--model.hidden_sizes", "[5]", "--trainer.max_epochs", "4"]


@pytest.mark.parametrize(("answers", "epochs"), [("continue\nstop\n", 2), ("", 1), ("continue\n" * 4, 4)])
def test_it_trains_while_told_to(
    answers: str, epochs: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(answers))
    command = run([*FIT, f"--trainer.callbacks+={CALLBACK}"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(REPORT)]
    reports = [json.loads(line.removeprefix(REPORT)) for line in lines]
    assert [report["epoch"] for report in reports] == list(range(1, epochs + 1))
    last = torch.load(Path(command.trainer.log_dir) / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] + 1 == epochs
    (record,) = json.loads((Path(command.trainer.log_dir) / "provenance.json").read_text())
    assert record["epochs"] == epochs
    assert reports[-1]["value"] == float(command.trainer.callback_metrics["digits/val/accuracy"])


def test_a_trial_s_process_is_heard_stopped_and_blamed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "FIT", FAKE_FIT)
    monkeypatch.setenv("FAKE_SECONDS", "0.1")
    signs: list[None] = []

    def trial(options: list[str], epochs: int) -> process.Outcome:
        return run_fit(options, Path("run"), lambda epoch, value: epoch < epochs, lambda: signs.append(None), 0.02)

    whole = trial(["--model.optimizer.lr=0.4"], 9)
    assert whole == ([0.1, 0.2, pytest.approx(0.3), 0.4], False, None)
    assert len(signs) > 4
    assert trial(["--model.optimizer.lr=0.4"], 2) == ([0.1, 0.2], True, None)
    assert trial(["--model.optimizer.lr=0.6"], 9) == ([], False, "lr is too large")
    assert "some warning" in Path("run/output.txt").read_text()
    monkeypatch.setattr(process, "FIT", [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    assert trial([], 9).reason == "killed by signal 9"
    monkeypatch.setattr(process, "FIT", [sys.executable, "-c", ""])
    assert trial([], 9).reason == "no epoch was validated"
