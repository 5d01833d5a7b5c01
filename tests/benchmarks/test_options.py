"""scripts/benchmark.py: a mistake is refused in one line before any work; an interruption leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cifar_mlp.benchmarks import parity_job, pca_job, scaling_job, train_job
from cifar_mlp.benchmarks.implementations import IMPLEMENTATIONS
from cifar_mlp.common.parallel_runs import cores
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE
from tests.benchmarks.conftest import CONFIG, ROOT

SCRIPT = ROOT / "scripts" / "benchmark.py"


class WorkBeganError(Exception):
    """Raised where the work begins."""


def work(*_: object, **__: object) -> None:
    raise WorkBeganError


@pytest.fixture
def idle(script, monkeypatch: pytest.MonkeyPatch):
    """The script, whose jobs raise ``WorkBeganError`` where the work would begin."""
    for job, name in ((train_job, "run_rounds"), (scaling_job, "run_rounds"), (parity_job, "interleaved"),
                      (pca_job, "interleaved")):  # fmt: skip
        monkeypatch.setattr(job, name, work)
    return script


@pytest.fixture
def refused(idle, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the script, check that it refuses in one line, and return that line."""

    def call(*arguments: str) -> str:
        try:
            code = idle.main(arguments)
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if not line.startswith(ROOT_VARIABLE)]
        assert (code, said.out, len(lines)) == (2, "", 1), said
        assert lines[0].startswith("benchmark.py: ")
        return lines[0].removeprefix("benchmark.py: ")

    return call


@pytest.mark.parametrize("job", ["train", "pca", "scaling", "parity"])
def test_a_folder_that_cannot_be_written_is_refused(refused, job: str):
    Path("file").write_text("")
    assert refused(job, "--output", "file") == "--output file: File exists; name a folder that can be written"
    inside = refused(job, "--output", "file/folder")
    assert inside == "--output file/folder: Not a directory; name a folder that can be written"
    assert "--output: the name is empty; name a folder" in refused(job, "--output", "")


@pytest.mark.parametrize("output", ["mine", "new/folder"])
def test_a_job_that_fails_leaves_no_folder_and_changes_none(idle, refused, output: str):
    Path("mine").mkdir()
    refused("train", "--components", "0", "--output", output)
    with pytest.raises(WorkBeganError):
        idle.main(["train", "--output", output])
    assert [str(path) for path in Path().rglob("*")] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *(
            (f"{job} --rounds 0", "argument --rounds: must be at least 1, not 0")
            for job in ("train", "pca", "scaling", "parity")
        ),
        ("train --rounds two", "argument --rounds: invalid int value: 'two'"),
        ("train --images 199", "--images must be between 200 and 49000, not 199"),
        ("train --images 50000", "--images must be between 200 and 49000"),
        ("scaling --images 399 --components 5", "--images must be between 400 and 49000, not 399"),
        ("scaling --images 199 --components 5 --axes width", "--images must be between 200 and 49000, not 199"),
        ("pca --images 1", "--images must be between 2 and 49000, not 1"),
        ("train --components 0", "--components must be between 1 and 3072 with --images 49000, not 0"),
        ("train --components 601 --images 600", "--components must be between 1 and 600 with --images 600, not"),
        ("scaling --components 501 --images 1000", "--components must be between 1 and 500 with --images 1000"),
        ("train --threads 0", f"--threads must be between 1 and {cores()}, the cores that this process may use"),
        ("pca --threads 100000", f"--threads must be between 1 and {cores()}, the cores that this process may use"),
        ("record --threads 0", f"--threads must be between 1 and {cores()}, the cores that this process may use"),
        ("processes --most 1", f"--most must be between 2 and {cores()}, the cores"),
        ("train --only sklearn --inputs pixels", "--only, --inputs and --precision leave nothing to run"),
        ("train --nonsense", "unrecognized arguments: --nonsense"),
    ],
)
def test_an_impossible_option_is_refused(refused, arguments: str, words: str):
    assert refused(*arguments.split()).startswith(words)


@pytest.mark.parametrize(
    "arguments",
    [
        "train --images 200 --components 200",
        "train --inputs pixels --images 200",
        "scaling --images 400 --components 200",
        "scaling --images 200 --components 200 --axes width",
        f"pca --threads {cores()}",
    ],
)
def test_the_extremes_are_accepted(idle, arguments: str):
    with pytest.raises(WorkBeganError):
        idle.main(arguments.split())


def test_nothing_that_can_run_is_a_mistake(idle, refused, monkeypatch: pytest.MonkeyPatch):
    for name in ("keras", "jax"):
        monkeypatch.setitem(IMPLEMENTATIONS, name, replace(IMPLEMENTATIONS[name], title=name, needs="no_such_package"))
    said = refused("train", "--only", "keras", "jax")
    assert said.startswith(
        "--only leaves nothing that can run (keras: not run (not installed), jax: not run (not installed)); add"
    )
    with pytest.raises(WorkBeganError):
        idle.main(["train", "--only", "keras", "plain"])


def test_an_empty_root_means_synthetic_images(idle, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv(ROOT_VARIABLE, "")
    with pytest.raises(WorkBeganError):
        idle.main(["train"])
    assert f"{ROOT_VARIABLE} is not set: training on synthetic images" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU on this machine")
@pytest.mark.parametrize("job", ["train", "pca", "scaling", "parity"])
def test_an_absent_gpu_is_not_run(script, capsys: pytest.CaptureFixture[str], job: str):
    assert script.main([job, "--device", "cuda"]) == 0
    assert capsys.readouterr().out.strip() == "cuda: not run (no NVIDIA GPU on this machine)"


@pytest.mark.long
def test_a_benchmark_in_processes_writes_numbers_and_a_picture(script, tmp_path: Path, capsys):
    arguments = ["train", "--images", "600", "--components", "5", "--rounds", "2", "--inputs", "pca", "--threads", "1",
                 "--precision", "float32", "--only", "ours", "plain", "roofline", "--output",
                 str(tmp_path / "out")]  # fmt: skip
    assert script.main(arguments) == 0
    assert "600 images of synthetic images" in capsys.readouterr().out
    document = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    mine, plain = document["implementations"]
    (roofline,) = document["roofline"]
    assert [len(row["seconds"]) for row in (mine, plain, roofline)] == [2, 2, 2]
    assert mine["agreement"]["step_error"] <= 0.08
    assert document["environment"]["torch"] == torch.__version__
    assert (tmp_path / "out" / "train.png").is_file()


@pytest.mark.long
def test_an_implementation_that_fails_is_named_and_nothing_is_written(script, monkeypatch, tmp_path: Path, capsys):
    (tmp_path / "bad.yaml").write_text(CONFIG.read_text().replace("data:", "data:\n  test_size: 0"))
    monkeypatch.setattr(script, "CONFIG", tmp_path / "bad.yaml")
    arguments = ["train", "--images", "600", "--rounds", "1", "--inputs", "pca", "--components", "5",
                 "--only", "ours", "--output", str(tmp_path / "out")]  # fmt: skip
    assert script.main(arguments) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("benchmark.py: cifar-mlp fit, pca, float32: ValueError: --data.test_size must be")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name: sockets inside cannot have a long one."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.parametrize(("number", "code", "last"), [
    (signal.SIGINT, 130, ["benchmark.py: stopped"]), (signal.SIGTERM, 143, []),
])  # fmt: skip
@pytest.mark.parametrize(("job", "moment"), [
    ("train", ": starting"), ("train", "round 1 "), ("pca", "round 1 "),
])  # fmt: skip
def test_a_stopped_benchmark_ends_its_processes_and_cleans_up(
    temporary: Path, number: int, code: int, last: list[str], job: str, moment: str
):
    """SIGINT goes to the whole group, as Ctrl-C in a terminal does."""
    command = [sys.executable, str(SCRIPT), job, "--images", "600", "--components", "5", "--rounds", "1000"]
    command += ["--only", "plain"] if job == "train" else []
    process = subprocess.Popen(
        command, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT / "src")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs of a shell ignore it
    )  # fmt: skip
    with process:
        lines = [process.stderr.readline()]
        while moment not in lines[-1]:
            assert lines[-1], lines
            lines.append(process.stderr.readline())
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        rest = process.stderr.read()  # to its end: no process holds it open any more
    assert process.returncode == code, rest
    assert [line for line in rest.splitlines() if "  round " not in line] == last
    assert not list(temporary.glob("benchmark-*"))
