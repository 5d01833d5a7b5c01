"""docs/tutorial.md does what it says, command by command, and the notebook is the same."""

import contextlib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cifar_mlp.cli import main
from cifar_mlp.sweep.sweep_file import read_space

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)
FILE = re.compile(r"# ([\w.]+\.(?:py|yaml))\n")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "notebook.py"))


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files of the working directory can be imported, and are forgotten."""
    monkeypatch.syspath_prepend(str(Path.cwd()))
    yield
    sys.modules.pop("squared_relu", None)


def unsaid(text: str, printed: str) -> list[str]:
    """The lines that the page shows and the program did not print, whatever the numbers."""
    known = " ".join(printed.split())
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    number = re.compile(r"(?<![\w.])\d[\d.,]*(e[-+]\d+)?")

    def pattern(line: str) -> str:
        parts = [re.escape(part) for part in number.sub("\0", " ".join(line.split())).split("\0")]
        return r"[\d.,e+-]+".join(parts)

    return [line for line in lines if not re.search(pattern(line), known)]


def written(block: str) -> bool:
    """Whether a block is a file, which is then written."""
    if (file := FILE.match(block)) is not None:
        Path(file[1]).write_text(block)
    return file is not None


def executed(block: str, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "docs/tutorial.md", "exec"), names)
    return printed.getvalue()


def test_the_notebook_has_the_page_s_text_and_commands(made: dict[str, Any]):
    kept = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(kept)
    wanted = made["notebook_of"](PAGE)
    assert [(cell["cell_type"], cell["source"]) for cell in kept["cells"]] == [
        (cell["cell_type"], cell["source"]) for cell in wanted["cells"]
    ], "run scripts/notebook.py --run"
    assert kept["metadata"]["kernelspec"] == wanted["metadata"]["kernelspec"]


def test_the_notebook_has_the_outputs_and_no_path_of_a_machine():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    silent = [
        cell["source"]
        for cell in kept["cells"]
        if cell["cell_type"] == "code" and "print(" in cell["source"] and not cell["outputs"]
    ]
    assert silent == []
    outputs = [output for cell in kept["cells"] for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    text = NOTEBOOK.read_text()
    assert len(text) < 600_000
    assert not re.findall(r"/(?:tmp|home|root|work|Users|content)/", re.sub(r'"image/png": "[^"]*"', "", text))


def test_a_changed_page_changes_the_notebook(made: dict[str, Any]):
    sources = [cell["source"] for cell in made["cells_of"](PAGE.replace("--trainer.max_epochs 10", "--x 1", 1))]
    assert sources != [cell["source"] for cell in made["cells_of"](PAGE)]
    assert not any("activate" in source or "scripts/fit.sh" in source for source in sources)


@pytest.mark.usefixtures("beside")
def test_the_checker_judges_the_new_activation_as_shown():
    names: dict[str, Any] = {}
    shown = iter(BLOCKS)
    for language, block in shown:
        if language == "python" and not written(block) and "check.layer" in block:
            printed = executed(block, names)
            assert not unsaid(next(shown)[1], printed), printed


def test_the_sweep_file_can_be_read(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["fit", "--config", "quickstart", "--print_config=skip_default"])
    Path("mine.yaml").write_text(capsys.readouterr().out)
    (text,) = [block for language, block in BLOCKS if language == "yaml"]
    assert written(text)
    space = read_space(Path("sweep.yaml"))
    assert (len(space.search), space.trials) == (2, 4)


def shell(block: str, environment: dict[str, str]) -> str:
    if block.startswith("tensorboard "):
        return served(block.strip(), environment)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def served(command: str, environment: dict[str, str]) -> str:
    """What a server says when it is ready; then it is stopped."""
    arguments = ["bash", "-c", f"exec {command} --port 0 2>&1"]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as server:
        said, deadline = "", time.monotonic() + 120
        while "http://" not in said and time.monotonic() < deadline:
            said += server.stdout.readline()  # type: ignore[union-attr]
        server.terminate()
    assert "http://localhost" in said
    return said


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A clone to work in, with an environment that is complete; returns the process's environment."""
    folder, active = tmp_path / "clone", tmp_path / "venv"
    for name in ("scripts", "configs"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("requirements.txt", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    (active / "bin").mkdir(parents=True)
    python = active / "bin" / "python"  # a link would not find this environment's packages
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    needs = (folder / "requirements.txt").read_text() + (folder / "pyproject.toml").read_text()
    (active / ".cifar-mlp-installed").write_text(f"{needs}{folder}\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    known = {"PATH": path, "PYTHONPATH": str(ROOT / "src"), "VIRTUAL_ENV": str(active), "OMP_NUM_THREADS": "1"}
    return os.environ | known


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("beside")
def test_every_command_does_what_the_page_shows(clone: dict[str, str]):
    printed, names = "", {}
    for language, block in BLOCKS:
        if language == "text":
            assert not unsaid(block, printed), printed
        elif language == "bash" and "activate" not in block:
            printed = shell(block, clone)
        elif language in ("python", "yaml") and not written(block):
            printed = executed(block, names)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_notebook_runs(made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # the home of a test is not there to write into
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    notebook = made["notebook_of"](PAGE)
    made["run"](notebook, tmp_path)
    assert (tmp_path / "best.pt2").is_file()
