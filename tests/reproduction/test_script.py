"""scripts/reproduce.py as real processes: killed, interrupted, failing, and complete."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("made_root")]
BOTH = ["--quick", "--only", "q3_baseline,q4_best", "--output", "out"]


@pytest.fixture
def made_root(small_cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes find the made set."""
    monkeypatch.setenv("MADE_ROOT", str(small_cifar))


def start(program: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    known = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1", **environment}
    known["PRETEND_LOG"] = str(Path("log").resolve())
    return subprocess.Popen(
        [sys.executable, "-m", "tests.reproduction.driver", program, *options],
        env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def lines() -> list[str]:
    return Path("log").read_text().splitlines() if Path("log").is_file() else []


def wait_for(line: str) -> None:
    deadline = time.monotonic() + 120
    while line not in lines() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert line in lines()


def rows() -> list[tuple[str, int]]:
    return [(row["config"], row["seed"]) for row in json.loads(Path("out/results.json").read_text())["runs"]]


def kill_within(what: str) -> int:
    """SIGKILL a reproduction while a training runs; returns the training's process id."""
    Path(f"hold {what}").touch()
    first = start("pretend", *BOTH, "--jobs", "1")
    wait_for(f"start {what} 0")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    return int(Path(f"out/runs/{what}/seed_0/pid").read_text())


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline, "the training outlived its reproduction"
        time.sleep(0.05)


@pytest.mark.long
def test_a_kill_ends_the_training_too_and_the_next_call_runs_only_what_is_missing():
    wait_until_gone(kill_within("q4_best"))
    Path("hold q4_best").unlink()
    code, out, err = finish(start("pretend", *BOTH))
    assert code == 0, err
    assert "2 runs wanted, 1 of them done" in out
    assert Counter(lines()) == {"start q3_baseline 0": 1, "end q3_baseline 0": 1, "start q4_best 0": 2,
                                "end q4_best 0": 1}  # fmt: skip
    assert rows() == [("q3_baseline", 0), ("q4_best", 0)]


@pytest.mark.long
def test_a_second_reproduction_in_the_same_folder_is_refused():
    Path("hold q4_best").touch()
    first = start("pretend", *BOTH, "--jobs", "1")
    wait_for("start q4_best 0")
    code, _, err = finish(start("pretend", *BOTH))
    assert code == 2
    assert "out is in use by another process" in err
    Path("hold q4_best").unlink()
    assert finish(first)[0] == 0
    assert set(Counter(lines()).values()) == {1}


@pytest.mark.parametrize(
    "sent",
    [
        [signal.SIGINT],
        pytest.param([signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP], marks=pytest.mark.long),
    ],
)
def test_an_interrupt_stops_the_trainings_too(sent: list[signal.Signals]):
    process = start("pretend", *BOTH, "--jobs", "2", PRETEND_SECONDS="60")
    for run in ("q3_baseline", "q4_best"):
        wait_for(f"start {run} 0")
    trainings = [int(Path(f"out/runs/{run}/seed_0/pid").read_text()) for run in ("q3_baseline", "q4_best")]
    for one in sent:
        process.send_signal(one)
    code, _, err = finish(process)
    assert code == 130
    assert err.strip().splitlines()[-1] == "reproduce.py: interrupted; the same command continues from here"
    assert not any(line.startswith("end") for line in lines())
    for training in trainings:
        wait_until_gone(training)
    code, _, err = finish(start("pretend", *BOTH))
    assert code == 0, err


@pytest.mark.long
def test_a_failing_run_is_named_and_the_others_are_kept():
    code, out, err = finish(start("pretend", *BOTH, PRETEND_FAILS="q3_baseline"))
    assert code == 1
    assert err.strip().splitlines() == ["reproduce.py: no result: q3_baseline, seed 0"]
    assert "FAILED  q3_baseline, seed 0: cifar-mlp: error: not today" in out
    assert rows() == [("q4_best", 0)]


def test_without_data_it_says_so_before_anything_starts():
    code, _, err = finish(start("pretend", *BOTH, CIFAR10_ROOT="nowhere"))
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "CIFAR10_ROOT: nowhere does not exist" in err
    assert lines() == []


@pytest.mark.long
def test_quick_from_end_to_end():
    code, out, err = finish(start("made_fit", "--quick", "--only", "q3,q4_best", "--output", "out"))
    assert code == 0, err
    assert out.index("about ") < out.index("started")
    assert "3/3  " in out
    document = json.loads(Path("out/results.json").read_text())
    assert document["quick"] is True
    assert len(document["runs"]) == 3
    assert len(document["toy"]["losses"]) == 100
    for row in document["runs"]:
        assert {"config", "seed", "commit", "device", "torch", "lightning", "python", "wall_seconds"} <= row.keys()
        assert len(row["curves"]["val/accuracy"]) == 1
    for name in ("report.md", "report.html"):
        text = Path("out", name).read_text()
        assert "quick run: one seed, one epoch" in text
        assert "not judged" in text
        assert "| reproduced |" not in text.split("Questions 3b and 4")[1]
    assert {path.stem for path in Path("out/plots").iterdir()} >= {
        "toy_loss", "curves_q3_pca510", "weights_q3_pca510", "pca_reconstructions", "confusion_q4_best",
    }  # fmt: skip
    kept = sorted(path.name for path in Path("out").rglob("*.ckpt"))
    assert kept == ["last.ckpt"] * 3
