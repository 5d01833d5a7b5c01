"""Two workers share the runs of a study."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cifar_mlp.studies import study_command
from tests.studies.conftest import SMALL

ROOT = Path(__file__).resolve().parents[2]


def start(*options: str) -> subprocess.Popen[str]:
    known = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cifar_mlp", "cv", "--folds", "3", "--output", "shared", *options, *SMALL]
    return subprocess.Popen(command, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
@pytest.mark.long
def test_two_workers_train_each_fold_once_and_both_end_with_the_table(capsys: pytest.CaptureFixture[str]):
    workers = [start("--storage", "journal.log") for _ in range(2)]
    said = [worker.communicate(timeout=250)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    assert sum(text.count(": started") for text in said) == 3
    assert all("95 % interval" in text and "ensemble.ckpt" in text for text in said)
    assert len(list(Path("shared").rglob("results.json"))) == 4  # the study's, and one for each fold
    study_command.main(["--folds", "3", "--output", "shared", "--storage", "journal.log", *SMALL], "cv", ["nothing"])
    assert "3 runs wanted, 3 of them done" in capsys.readouterr().out


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]):
    for options, said in (
        (["--storage", "j", "--jobs", "2"], "--jobs cannot be given with --storage"),
        (["--storage", "mysql://x"], "--storage takes the path of a journal file, or postgresql://"),
    ):
        with pytest.raises(SystemExit):
            study_command.main(["--folds", "2", *options, *SMALL], "cv", ["no program runs"])
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_fails_is_named_and_not_counted(capsys: pytest.CaptureFixture[str]):
    failing = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with pytest.raises(SystemExit):
        study_command.main(["--folds", "2", "--output", "out", "--storage", "out/journal.log", *SMALL], "cv", failing)
    printed = capsys.readouterr()
    assert "FAILED  fold 0: no luck" in printed.out
    assert "no result: fold 0, fold 1; see output.txt there" in printed.err
