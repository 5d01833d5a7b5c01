"""The scripts, run as real processes in a fresh clone."""

import fcntl
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cifar_mlp.data.download.archives import CIFAR10_ARCHIVE
from tests.made_cifar import ADDRESS

ROOT = Path(__file__).resolve().parent.parent


def bash(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(["bash", *arguments], cwd=cwd, env=known, capture_output=True, text=True, timeout=250)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone without an environment."""
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    for name in ("requirements.txt", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An active virtual environment that runs this interpreter, so that it lacks nothing."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return {"VIRTUAL_ENV": str(folder), "PYTHONPATH": str(ROOT / "src")}


def mark_installed(checkout: Path, environment: dict[str, str]) -> None:
    wanted = (checkout / "requirements.txt").read_text() + (checkout / "pyproject.toml").read_text() + f"{checkout}\n"
    Path(environment["VIRTUAL_ENV"], ".cifar-mlp-installed").write_text(wanted)


def test_an_older_python_gets_a_clear_line(checkout: Path, tmp_path: Path):
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = bash("scripts/fit.sh", cwd=checkout, PYTHON=str(old))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed; found Python 3.9.2" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_missing_venv_module_gets_a_clear_line(checkout: Path, tmp_path: Path):
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\ncase "$2" in *venv*) exit 1;; esac\nexec "{sys.executable}" "$@"\n')
    bare.chmod(0o755)
    done = bash("scripts/test.sh", cwd=checkout, PYTHON=str(bare))
    assert done.returncode != 0
    assert "has no venv module" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.fixture
def fit_and_test(replace_source):
    """``main`` of scripts/fit_and_test.py, without a network."""
    replace_source("cifar10", archive=CIFAR10_ARCHIVE._replace(urls=(ADDRESS,)))
    return runpy.run_path(str(ROOT / "scripts" / "fit_and_test.py"))["main"]


def test_without_cifar10_it_trains_on_digits_and_says_so(fit_and_test, capsys: pytest.CaptureFixture[str]):
    fit_and_test([])
    printed = capsys.readouterr()
    assert "could not be downloaded" in printed.err
    assert "--data.root or CIFAR10_ROOT" in printed.err
    assert "*** NOT CIFAR-10" in printed.out
    assert "digits-quickstart: accuracy on digits" in printed.out
    assert "the report" not in printed.out
    (results,) = Path("lightning_logs").glob("digits-quickstart/version_0/results.json")
    assert json.loads(results.read_text())["best"]["val/accuracy"] > 0.9


@pytest.mark.parametrize("given", ["arguments", "option", "environment"])
def test_with_any_option_or_root_it_fails_instead(
    fit_and_test, given: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    if given == "environment":
        monkeypatch.setenv("CIFAR10_ROOT", "nowhere")
    arguments = {"arguments": ["--trainer.max_epochs", "1"], "option": ["--data.root", "nowhere"], "environment": []}
    with pytest.raises(SystemExit) as stopped:
        fit_and_test(arguments[given])
    assert stopped.value.code == 1
    printed = capsys.readouterr()
    assert len(printed.err.strip().splitlines()) == 1
    assert "digits" not in printed.out + printed.err
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_fit_sh_installs_nothing_twice_trains_and_ends_with_the_accuracies(checkout: Path, environment: dict[str, str]):
    mark_installed(checkout, environment)
    options = ["--config", "configs/quickstart.yaml", "--trainer.max_epochs", "3", "--views.all", "false"]
    done = bash("scripts/fit.sh", *options, cwd=checkout, **environment)
    assert done.returncode == 0, done.stderr
    assert "installing" not in done.stdout
    table, folder, command = re.fullmatch(
        r".*?(quickstart: accuracy on digits.*)run folder: (\S+)\nlook at it: (.*)\n", done.stdout, re.S
    ).groups()
    assert re.search(r"best epoch \([123]\) +│ +\d\d\.\d % │ +\d\d\.\d % │\n", table)
    assert re.search(r"last epoch \(3\) +│ +\d\d\.\d % │ +\d\d\.\d % │\n", table)
    assert json.loads((checkout / folder / "results.json").read_text())["last"]["epoch"] == 3
    assert command == f"{Path(sys.executable).with_name('tensorboard')} --logdir lightning_logs"


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock")
def test_a_second_script_waits_until_the_first_has_set_up(checkout: Path, environment: dict[str, str]):
    mark_installed(checkout, environment)
    program = ["bash", "-c", "source scripts/setup.sh; echo ready"]
    with (checkout / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(program, cwd=checkout, env=os.environ | environment, stdout=subprocess.PIPE) as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert second.communicate(timeout=60) == (b"ready\n", None)
