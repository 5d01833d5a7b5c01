"""The scripts as a stranger runs them: real processes."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cifar_mlp.data import download

ROOT = Path(__file__).resolve().parent.parent


def bash(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(["bash", *arguments], cwd=cwd, env=known, capture_output=True, text=True, timeout=250)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts and configs alone, as in a clone where nothing has been installed."""
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    for name in ("requirements.txt", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An active virtual environment that has everything, and is marked so: this interpreter's."""
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
def fit_and_test(monkeypatch: pytest.MonkeyPatch):
    """``main`` of the program behind fit.sh, on a machine without a connection."""
    monkeypatch.setattr(download, "unreachable", lambda *_: "no connection")
    return runpy.run_path(str(ROOT / "scripts" / "fit_and_test.py"))["main"]


def test_without_data_it_goes_on_with_digits_and_says_so(fit_and_test, capsys: pytest.CaptureFixture[str]):
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
def test_only_where_nothing_was_asked_for(
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
def test_the_second_set_up_takes_seconds_and_arguments_arrive(checkout: Path, environment: dict[str, str]):
    mark_installed(checkout, environment)
    done = bash("scripts/fit.sh", "--data.root", "nowhere", cwd=checkout, **environment)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("cifar-mlp: error: --data.root is 'nowhere'")
    assert "installing" not in done.stdout


@pytest.mark.slow
def test_fit_sh_ends_with_labelled_accuracies(checkout: Path, environment: dict[str, str], small_cifar: Path):
    mark_installed(checkout, environment)
    code = (
        "import sys; sys.argv=['fit_and_test.py']; sys.path.insert(0, sys.argv[0]);"
        "import dataclasses; from pathlib import Path; from tests import made_cifar;"
        "from cifar_mlp.data import sources; import tempfile;"
        "folder=Path(tempfile.mkdtemp())/'made'; sources.SOURCES['cifar10']=dataclasses.replace("
        "made_cifar.make_cifar10(folder)); import os; os.environ['CIFAR10_ROOT']=str(folder);"
        "from cifar_mlp.cli.fit_and_test import fit_and_test;"
        f"fit_and_test(['--config', '{ROOT}/configs/report/q4_best.yaml', '--data.batch_size', '50',"
        "'--trainer.max_epochs', '3'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=200,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for expected in ("best epoch (", "last epoch (3)", "validation, 50 images", "test, all 100 images", "run folder: "):
        assert expected in done.stdout, done.stdout
    assert "/tensorboard --logdir lightning_logs" in done.stdout
