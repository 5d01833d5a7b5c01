"""scripts/reproduce.py as real processes: killed, twice at once, failing, and whole."""

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
    return [(row["card"], row["seed"]) for row in json.loads(Path("out/results.json").read_text())["runs"]]


def test_killed_it_goes_on_and_runs_nothing_twice():
    first = start("pretend", *BOTH, "--jobs", "1", PRETEND_SECONDS="3")
    wait_for("end q3_baseline 0")
    wait_for("start q4_best 0")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    code, out, err = finish(start("pretend", *BOTH, PRETEND_SECONDS="3"))
    assert code == 0, err
    # The training that was under way outlived its starter; its result was waited for.
    assert Counter(lines()) == Counter(
        f"{what} {run} 0" for what in ("start", "end") for run in ("q3_baseline", "q4_best")
    )
    assert "2 runs wanted, 1 of them done" in out
    assert rows() == [("q3_baseline", 0), ("q4_best", 0)]


def test_a_training_killed_too_is_begun_anew_and_no_other():
    first = start("pretend", *BOTH, "--jobs", "1", PRETEND_SECONDS="3")
    wait_for("start q4_best 0")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    os.kill(int(Path("out/runs/q4_best,quick/seed_0/pid").read_text()), signal.SIGKILL)
    code, _, err = finish(start("pretend", *BOTH))
    assert code == 0, err
    assert Counter(lines())["start q4_best 0"] == 2
    assert Counter(lines())["start q3_baseline 0"] == 1
    assert rows() == [("q3_baseline", 0), ("q4_best", 0)]


def test_an_interrupt_stops_the_trainings_too():
    process = start("pretend", *BOTH, PRETEND_SECONDS="60")
    wait_for("start q4_best 0")
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert err.strip().splitlines()[-1] == "reproduce.py: interrupted; the same command goes on from here"
    assert not any(line.startswith("end") for line in lines())
    code, _, err = finish(start("pretend", *BOTH))  # nobody holds the runs any more
    assert code == 0, err


def test_two_at_once_share_the_work():
    options = ["--seeds", "2", "--only", "q3_baseline,q4_best", "--output", "out", "--jobs", "1"]
    two = [start("pretend", *options, PRETEND_SECONDS="1.5") for _ in range(2)]
    for code, out, err in map(finish, two):
        assert code == 0, err
        assert "4/4" in out
    assert set(Counter(lines()).values()) == {1}
    assert len(lines()) == 8
    assert len(rows()) == 4
    assert Path("out/report.html").is_file()


def test_a_failing_run_is_named_and_the_others_are_kept():
    code, out, err = finish(start("pretend", *BOTH, PRETEND_FAILS="q3_baseline"))
    assert code == 1
    assert err.strip().splitlines() == ["reproduce.py: no result: q3_baseline,quick, seed 0"]
    assert "FAILED  q3_baseline,quick, seed 0: cifar-mlp: error: not today" in out
    assert rows() == [("q4_best", 0)]


def test_without_data_it_says_so_before_anything_starts():
    code, _, err = finish(start("pretend", *BOTH, CIFAR10_ROOT="nowhere"))
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "CIFAR10_ROOT is 'nowhere'" in err
    assert lines() == []


def test_quick_from_end_to_end():
    code, out, err = finish(start("made_fit", "--quick", "--only", "q3,q4_best", "--output", "out"))
    assert code == 0, err
    assert out.index("about ") < out.index("started")
    assert "q4_best,quick, seed 0: epoch 1/1" in out
    document = json.loads(Path("out/results.json").read_text())
    assert document["quick"] is True
    assert len(document["runs"]) == 3
    assert len(document["toy"]["losses"]) == 100
    for row in document["runs"]:
        assert {"card", "seed", "commit", "device", "torch", "lightning", "python", "wall_seconds"} <= row.keys()
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
