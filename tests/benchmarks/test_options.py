"""scripts/benchmark.py answers a mistake in one line before it works, and an interruption in one line after it."""

import importlib.metadata
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cifar_mlp.benchmarks import parity_job, scaling_job, train_job
from cifar_mlp.benchmarks.harnesses import HARNESSES
from cifar_mlp.benchmarks.measured_process import in_a_process
from cifar_mlp.benchmarks.report import PACKAGES, Report
from cifar_mlp.common.machine_share import cores
from cifar_mlp.data.cifar import ROOT_VARIABLE
from cifar_mlp.parity import speed

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "benchmark.py"


class WorkBeganError(Exception):
    """Where nothing may work yet."""


def work(*_: object, **__: object) -> None:
    raise WorkBeganError


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """The script, whose jobs raise ``WorkBeganError`` where the work would begin."""
    specification = importlib.util.spec_from_file_location("script_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for job, name in ((train_job, "race"), (scaling_job, "race"), (parity_job, "benchmark")):
        monkeypatch.setattr(job, name, work)
    before = signal.getsignal(signal.SIGTERM)
    yield module
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def refused(script, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the script, see that it refuses in one line, and give that line."""

    def call(*arguments: str) -> str:
        try:
            code = script.main(arguments)
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert (code, said.out, said.err.count("\n")) == (2, "", 1), said
        assert said.err.startswith("benchmark.py: ")
        return said.err.removeprefix("benchmark.py: ").strip()

    return call


@pytest.mark.parametrize("job", ["train", "pca", "startup", "scaling", "parity"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(refused, job: str):
    Path("file").write_text("")
    assert refused(job, "--output", "file") == "--output file: File exists; name a folder that can be written"
    inside = refused(job, "--output", "file/folder")
    assert inside == "--output file/folder: Not a directory; name a folder that can be written"
    long = refused(job, "--output", "x" * 300)
    assert long.endswith("File name too long; name a folder that can be written")
    assert "--output: the name is empty; name a folder" in refused(job, "--output", "")


@pytest.mark.parametrize("output", ["mine", "new/folder"])
def test_a_job_that_fails_leaves_no_folder_and_no_other_is_touched(script, refused, output: str):
    Path("mine").mkdir()
    refused("train", "--components", "0", "--output", output)
    with pytest.raises(WorkBeganError):
        script.main(["train", "--output", output])
    assert [str(path) for path in Path().rglob("*")] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train --images 199", "--images must lie between 200 and 49000, not be 199"),
        ("scaling --images 399 --components 5", "--images must lie between 400 and 49000, not be 399"),
        ("scaling --images 199 --components 5 --axes width", "--images must lie between 200 and 49000, not be 199"),
        ("pca --images 1", "--images must lie between 2 and 49000, not be 1"),
        ("train --components 0", "--components must lie between 1 and 3072 with --images 49000, not be 0"),
        ("train --components 3073", "--components must lie between 1 and 3072 with --images 49000, not be 3073"),
        ("train --components 601 --images 600", "--components must lie between 1 and 600 with --images 600, not be"),
        ("scaling --components -5", "--components must lie between 1 and 3072 with --images 9800, not be -5"),
        ("scaling --components 501 --images 1000", "--components must lie between 1 and 500 with --images 1000"),
        ("train --threads 0", f"--threads must lie between 1 and {cores()}, the cores that this process may use"),
        ("pca --threads 100000", f"--threads must lie between 1 and {cores()}, the cores that this process may use"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_the_work(refused, arguments: str, words: str):
    assert refused(*arguments.split()).startswith(words)


@pytest.mark.parametrize(
    "arguments",
    [
        "train --images 200 --components 200",
        "train --inputs pixels --images 200",
        "scaling --images 400 --components 200",
        "scaling --images 200 --components 200 --axes width",
        f"train --threads {cores()}",
    ],
)
def test_numbers_that_can_just_be_are_taken(script, arguments: str):
    with pytest.raises(WorkBeganError):
        script.main(arguments.split())


def test_nothing_that_can_run_is_a_mistake(refused, script, monkeypatch: pytest.MonkeyPatch):
    for name in ("keras", "jax"):
        monkeypatch.setitem(HARNESSES, name, HARNESSES[name].__class__(name, work, needs="no_such_package"))
    said = refused("train", "--only", "keras", "jax")
    assert said.startswith("--only leaves nothing that can run: keras (not installed), jax (not installed); name anoth")
    with pytest.raises(WorkBeganError):
        script.main(["train", "--only", "keras", "plain"])


def test_an_empty_root_is_none(script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv(ROOT_VARIABLE, "")
    with pytest.raises(WorkBeganError):
        script.main(["train"])
    assert f"{ROOT_VARIABLE} is not set" in capsys.readouterr().err


def test_views_without_a_run_folder_are_refused_before_the_fit(refused):
    for option in ("--trainer.logger", "--trainer.fast_dev_run"):
        said = refused("views", "--data.source", "digits", option, "false" if "logger" in option else "true")
        assert option in said
        assert said.endswith("drop it")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("arguments", [["--output", "x"], ["--output=x"]])
def test_views_print_only(refused, arguments: list[str]):
    assert refused("views", *arguments) == "--output: views only prints its table; drop the option"


def test_help_tells_defaults_and_whose_options_views_takes(script, capsys: pytest.CaptureFixture[str]):
    def shown(job: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            script.main([job, "--help"])
        return " ".join(capsys.readouterr().out.split())

    for job, images in (("train", 49000), ("scaling", 9800)):
        text = shown(job)
        assert f"training images in an epoch (default {images})" in text
        assert "(default 510)" in text
        assert "--device {cpu,cuda} where (default cpu)" in text
        assert f"what PyTorch and the BLAS may use (default {train_job.torch.get_num_threads()})" in text
    assert shown("train").count("(default both)") == 2
    assert "The options of a fit: cifar-mlp fit --help" in shown("views")


def test_an_interruption_is_one_line(script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parity_job, "benchmark", interrupted)
    assert script.main(["parity"]) == 130
    assert capsys.readouterr() == ("", "benchmark.py: stopped; nothing was written\n")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder of a short name: sockets that lie in it may have no long one."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "last"), [(signal.SIGINT, 130, "stopped; nothing was written"),
                                                      (signal.SIGTERM, 143, "")])  # fmt: skip
@pytest.mark.parametrize("job", ["train", "pca"])
def test_a_stopped_benchmark_ends_its_processes_and_clears_up(
    temporary: Path, number: int, code: int, last: str, job: str
):
    """SIGINT goes to the whole group, as a terminal's Ctrl-C does."""
    command = [sys.executable, str(SCRIPT), job, "--images", "600", "--components", "5", "--rounds", "1000"]
    command += ["--only", "plain"] if job == "train" else []
    process = subprocess.Popen(
        command, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT / "src")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    with process:
        lines = [process.stderr.readline()]
        while "round 1 " not in lines[-1]:
            assert lines[-1], lines
            lines.append(process.stderr.readline())
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        rest = process.stderr.read()  # to its end: nobody holds it any more
    assert process.returncode == code
    told = [line for line in rest.splitlines() if "  round " not in line]
    assert told == ([f"benchmark.py: {last}"] if last else [])
    assert not list(temporary.glob("benchmark-*"))


@pytest.mark.slow
def test_a_measured_process_ends_with_the_wait_for_it():
    started = time.monotonic()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1)
        with pytest.raises(KeyboardInterrupt):
            in_a_process(time.sleep, 100)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 50


def test_quartiles_lie_within_the_range():
    for timing in speed.benchmark(("13-9-4:6",), rounds=2, with_compile=False)[0]:
        low, high = timing.speed_range
        assert low <= timing.speed_quartiles[0] <= timing.speed_quartiles[1] <= high


def test_a_report_says_what_it_stood_on():
    told = Report("train", "Training", {"problem": {}}, [], None).document["environment"]
    assert told["cores"] == cores()
    assert told["packages"]["lightning"] == importlib.metadata.version("lightning")
    assert set(told["packages"]) <= set(PACKAGES)
    assert {"lightning", "torchvision", "scikit-learn"} <= set(told["packages"])
