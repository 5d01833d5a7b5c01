"""What the jobs measure, write, tabulate and draw, from made-up measurements."""

import json
import math
import threading
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from cifar_mlp.benchmarks import jobs, pca_job, record_job, rounds, scaling_job
from cifar_mlp.benchmarks.agreement import Agreement
from cifar_mlp.benchmarks.epochs import Epoch
from cifar_mlp.benchmarks.fresh_process import FreshProcess, in_fresh_process
from cifar_mlp.benchmarks.implementations import IMPLEMENTATIONS, TimedRun
from cifar_mlp.benchmarks.peak_memory import PeakMemory
from cifar_mlp.benchmarks.plots import (
    AXIS_LABELS,
    draw_bars,
    pca_cost,
    scaling_curves,
    training_speed,
    work_by_processes,
)
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.rounds import RunResult, mean_epoch, run_rounds
from cifar_mlp.benchmarks.train_job import as_document
from cifar_mlp.common.provenance import cpu_identity
from cifar_mlp.pictures.style import BLUE, VERMILION, new_figure, pixels
from cifar_mlp.reports.performance_tables import job_text, pca_tables, processes_tables, record_tables, scaling_tables
from cifar_mlp.reports.short_tables import speed_short
from cifar_mlp.reports.train_tables import train_tables
from tests.benchmarks.conftest import CONFIG

ENVIRONMENT = {"devices": {"cpu": "a CPU"}, "threads": 3, "torch": "1.0", "date": "2001-02-03T04", "git_commit": None}


def test_a_mean_counts_what_an_epoch_did_not_do_as_no_time():
    epochs = [Epoch(1.0, {"validation": 0.5}), Epoch(2.0, {"pictures": 1.0})]
    assert mean_epoch(epochs) == Epoch(1.5, {"validation": 0.25, "pictures": 0.5})


def document_of(problem: Problem, **more: list[float]) -> dict[str, Any]:
    """Ours takes twice as long as the plain loop in every round, though the rounds differ by ten."""
    seconds = {"ours": [2.0, 20.0, 200.0], "plain": [1.0, 10.0, 100.0], "roofline": [0.5, 5.0, 50.0], **more}
    rates = {"matmul_seconds": 0.4, "optimizer_seconds": 0.1, "flop_per_second": 1e9, "bytes_per_second": 1e9}
    other = {"ours": {"validation": 0.5}, "roofline": rates}
    agreed = Agreement(1e-7, 0.0, "steps")
    results = [
        RunResult(TimedRun(IMPLEMENTATIONS[name], problem), [Epoch(second, other.get(name, {})) for second in taken],
                  agreed if name == "ours" else None)
        for name, taken in seconds.items()
    ]  # fmt: skip
    return {**as_document(problem, results, ["Keras: not run (not installed)"]), "environment": ENVIRONMENT}


def test_training_tables_take_ratios_round_by_round(problem: Problem):
    document = document_of(problem, jax=[4.0, 20.0, 50.0])
    assert document["implementations"][0]["seconds"] == [2.0, 20.0, 200.0]
    json.dumps(document)
    first, second, other, roofline = train_tables(document)
    assert "130 images of synthetic images, hidden 9-7, batch 10, cpu, 1 thread, 3 rounds" in first.title
    assert first.rows[0][3:] == ["6", "4 to 36", "0.5 (0.5 to 0.5)", "25 %", "1e-07"]
    assert first.rows[1][5:] == ["1", "50 %", "not compared"]
    assert second.rows == [["plain PyTorch loop", "6 components", "float32", "0.5 (0.5 to 0.5)"],
                           ["JAX, compiled epoch", "6 components", "float32", "1 (0.625 to 1.5)"]]  # fmt: skip
    assert other.rows == [["6 components", "float32", "20.000", "0.500", "0.000", "0.000"]]
    assert roofline.rows == [["6 components", "float32", "26", "1", "1", "30.769", "7.692"]]
    text = job_text("train", document)
    assert text.endswith("Keras: not run (not installed)\na CPU, 3 threads, torch 1.0, 2001-02-03, commit None.\n")
    short = speed_short(document)
    assert "`cifar-mlp fit` trains on 6 images/s in float32 (" in short
    assert "| baseline, float32 | images/s | speed-up of fit, float32 |" in short
    assert "| plain PyTorch loop | 13 | 0.50 |" in short
    assert "| JAX, compiled epoch | 6 | 1.00 |" in short
    without = {**document, "implementations": document["implementations"][1:], "roofline": []}
    assert [table.rows[0][6] for table in train_tables(without)] == [""]


def test_the_machine_is_the_cpu_in_full_or_the_gpu(problem: Problem):
    document = document_of(problem)
    document["environment"] = {**ENVIRONMENT, "cpu": "a CPU (family 1)", "packages": {"lightning": "2.0"}}
    assert (
        job_text("train", document).splitlines()[-1].startswith("a CPU (family 1), 3 threads, torch 1.0, lightning 2")
    )
    document["environment"]["devices"] = {"cuda": "a GPU"}
    assert job_text("train", document).splitlines()[-1].startswith("a GPU, 3 threads")


def test_gradients_are_tabulated_with_the_gpu_that_ran_them():
    row = {"size": "13-9-4:6", "milliseconds": 1.234, "speed": 1.5, "speed_quartiles": [1.0, 2.0]}
    timings = [
        {**row, "candidate": "NumPy", "allocated_bytes": None},
        {**row, "candidate": "b", "allocated_bytes": 2e6},
    ]
    document = {"rounds": 2, "timings": timings, "environment": {**ENVIRONMENT, "devices": {"cuda": "a GPU"}}}
    text = job_text("parity", document)
    assert "| 13-9-4:6 | NumPy | 1.23 | 1.50 | 1.00 to 2.00 |  |" in text
    assert "| 13-9-4:6 | b | 1.23 | 1.50 | 1.00 to 2.00 | 2.0 |" in text
    assert text.splitlines()[-1].startswith("a GPU, 3 threads, torch 1.0")


def solver(name: str, seconds: list[float], size: int) -> dict[str, Any]:
    return {"solver": name, "seconds": seconds, "peak_bytes": size, "variance_error": 1e-9, "component_error": 0.0}


@pytest.fixture
def pca_document(problem: Problem) -> dict[str, Any]:
    solvers = [solver("slow", [8.0, 9.0, 40.0], 10**9), solver(pca_job.OURS, [2.0, 3.0, 4.0], 2 * 10**6)]
    return {"problem": problem.describe(), "rounds": 3, "solvers": solvers, "environment": ENVIRONMENT}


def test_pca_is_tabulated_relative_to_ours(pca_document: dict[str, Any]):
    (table,) = pca_tables(pca_document)
    assert table.rows[0] == ["slow", "9.00", "8.00 to 40.00", "4", "1,000", "1e-09", "0e+00"]
    assert table.rows[1][3:5] == ["1", "2"]


def scaling_document(problem: Problem, axes: Sequence[str]) -> dict[str, Any]:
    rows = [
        {"axis": axis, "value": value, "images": 100, "hidden_sizes": [5, 4],
         "seconds": {"ours": [2.0, 4.0], "plain": [1.0, 4.0], "roofline": [0.5, 1.0]}}
        for axis in axes for value in (0.5, 3200)
    ]  # fmt: skip
    shape = {**problem.describe(), "precision": "float32"}
    return {"problem": shape, "rounds": 2, "points": rows, "environment": ENVIRONMENT}


def test_scaling_is_tabulated_with_spread(problem: Problem):
    (table,) = scaling_tables(scaling_document(problem, ["batch size"]))
    cells = ["batch size", "0.5", "5-4", "38 (31 to 44)", "62 (44 to 81)", "150", "0.75 (0.62 to 0.88)", "25 %"]
    assert table.rows[0] == cells
    assert "2 rounds, medians (quartiles)" in table.title


def test_work_of_several_processes_is_relative_to_one_round_by_round():
    seconds = {("one training", 1): [10.0, 100.0, 30.0], ("one training", 2): [8.0, 50.0, 20.0],
               ("separate trainings", 1): [4.0], ("separate trainings", 2): [2.0]}  # fmt: skip
    rows = [{"kind": kind, "processes": count, "seconds": taken} for (kind, count), taken in seconds.items()]
    problem = {"batch_size": 200, "runs": 4, "cores": 2, "load_before": 0.25}
    document = {"problem": problem, "rounds": 3, "processes": rows, "environment": ENVIRONMENT}
    (table,) = processes_tables(document)
    assert "2 cores, load before 0.25, 3 rounds" in table.title
    assert table.rows[1] == ["one training", "2", "20.0 (8.0 to 50.0)", "1.50 (1.25 to 2.00)"]
    figure = work_by_processes(document)
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines == {"in proportion": [1, 2], "one training": [1, 1.5], "separate trainings": [1, 2]}
    assert pixels(figure).std() > 5


def test_each_record_config_is_timed_with_both_kinds_of_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "record").mkdir()
    for name in ("fast", "fast_all", "slow"):
        (tmp_path / "record" / f"{name}.yaml").write_text("trainer: {max_epochs: 30}\n")
    asked = []

    def run(commands: Any, threads: int) -> list[str]:
        asked.append((*commands[0], threads))
        seconds = (9.0, 3.0, 1.0, 2.0) if "autograd" in commands[0] else (9.0, 1.0, 1.0, 1.6)
        return ["".join(f"epoch {n}/4  {taken:.1f} s  train/loss 1.0\n" for n, taken in enumerate(seconds, 1))]

    monkeypatch.setattr(record_job, "run_together", run)
    options = Namespace(device="cpu", threads=1, rounds=2, config=tmp_path / "report" / "q4_best.yaml")
    *_, document = record_job.measure(options, tmp_path)
    timed = [(row["config"], row["gradients"], row["epochs"]) for row in document["trainings"]]
    assert timed == [(name, how, 30) for name in ("fast", "slow") for how in ("hand", "autograd")], "not fast_all"
    assert {option for one in asked for option in ("4", 1, "hand") if option not in one} == {"hand"}
    assert [row["seconds"] for row in document["trainings"][:2]] == [[pytest.approx(1.2)] * 2, [pytest.approx(2)] * 2]
    document["trainings"][0]["start"] = [24.0, 24.0]
    (table,) = record_tables(document | {"environment": ENVIRONMENT})
    assert table.rows[0] == ["fast", "30", "1.2 (1.2 to 1.2)", "24", "1.0", "2.0 (2.0 to 2.0)", "1.67 (1.67 to 1.67)"]


def bars_of(axes: Axes) -> list[tuple[str, float, bool]]:
    """Every bar from the top: label, length, whether it is hatched."""
    bottom, top = axes.get_ylim()
    assert bottom > top  # positions count from the top
    written = axes.yaxis.get_major_formatter()  # also if the panel beside it shows the labels
    labels = [written(position) for position in axes.get_yticks()]
    bars = [(round(bar.get_width(), 6), bool(bar.get_hatch())) for bar in axes.patches]
    return [(label, *bar) for label, bar in zip(labels, bars, strict=True)]


def whiskers(axes: Axes) -> list[tuple[float, ...]]:
    (lines,) = axes.collections
    return [tuple(segment[:, 0].round(6)) for segment in lines.get_segments()]


def test_a_bar_is_as_long_as_its_value_and_a_whisker_as_its_ends():
    axes = new_figure(6, 3).subplots()
    draw_bars(axes, ["cifar-mlp fit", "two"], [1234.5, 2.0], [(1000, 1500), (1, 3)], colours=[BLUE, VERMILION])
    assert bars_of(axes) == [("cifar-mlp fit", 1234.5, True), ("two", 2.0, False)]
    assert whiskers(axes) == [(1000, 1500), (1, 3)]
    assert [text.get_text() for text in axes.texts] == ["1,234", "2"]
    assert axes.get_xlim()[1] > 1600  # room for the number


def test_training_speed_is_drawn_fastest_first_with_the_roofline(problem: Problem):
    figure = training_speed(document_of(problem))
    (axes,) = figure.axes
    assert bars_of(axes) == [("plain PyTorch loop, float32", 13, False), ("cifar-mlp fit, float32", 6.5, True)]
    (dashed,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert (dashed.get_xdata()[0], dashed.get_color()) == (26, BLUE)
    for words in ("dashed: roofline", "hidden 9-7, batch 10, 130 images of synthetic images, a CPU, 3 threads"):
        assert words in figure.get_suptitle()
    assert pixels(figure).std() > 0


def test_pca_is_drawn_with_seconds_and_memory(pca_document: dict[str, Any]):
    figure = pca_cost(pca_document)
    left, right = figure.axes
    assert bars_of(left) == [(pca_job.OURS, 3, True), ("slow", 9, False)]
    assert whiskers(left) == [(2, 4), (8, 40)]
    assert [bar[1:] for bar in bars_of(right)] == [(2, True), (1000, False)]
    assert pixels(figure).std() > 0


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (5, (2, 3))])
def test_scaling_is_drawn_with_a_panel_per_axis(problem, count: int, shape: tuple[int, int]):
    figure = scaling_curves(scaling_document(problem, list(AXIS_LABELS)[:count]))
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    panels = figure.axes[:count]
    assert [panel.get_xlabel() for panel in panels] == list(AXIS_LABELS.values())[:count]
    assert len(figure.axes) == count
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["cifar-mlp fit", "plain PyTorch loop", "roofline"]
    assert [line.get_ydata().tolist() for line in panels[0].lines] == [[37.5] * 2, [62.5] * 2, [150.0] * 2]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["0.5", "3,200"]
    assert pixels(figure).std() > 0


def options_of(job: str, output: Path | None = None, **more: object) -> Namespace:
    common = {
        "images": 600,
        "components": 5,
        "device": "cpu",
        "threads": 1,
        "rounds": 3,
        "config": CONFIG,
        "quick": False,
    }
    return Namespace(**{"job": job, **common, "output": output, **more})


def test_a_pcas_memory_and_errors_are_the_worst_of_all_rounds(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    def made(seconds: float, error: float) -> pca_job.TimedFit:
        return pca_job.TimedFit(
            seconds, int(10 * seconds), np.array([2.0, 1.0 + error]), np.array([[1, 0], [error, 1]])
        )

    planned = {name: [made(1.0, 0.0)] * 2 for name in pca_job.SOLVERS}
    planned[pca_job.OURS] = [made(3.0, 0.25), made(2.0, 0.125)]
    left = {pca_job.SOLVERS[name]: iter(fits) for name, fits in planned.items()}
    monkeypatch.setattr(pca_job, "in_fresh_process", lambda call, problem, *solver: next(left[solver]))
    *_, document = pca_job.measure(options_of("pca", rounds=2), Path())
    mine, other = document["solvers"][:2]
    assert mine == {"solver": pca_job.OURS, "seconds": [3.0, 2.0], "peak_bytes": 30, "variance_error": 0.25,
                    "component_error": 0.25}  # fmt: skip
    assert other["component_error"] == 0
    planned[pca_job.OURS][0].components[0, 0] = math.nan
    assert math.isnan(pca_job.as_document(problem, planned)["solvers"][0]["component_error"])


def test_every_solver_finds_the_same_components_and_a_fault_shows(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    images = (torch.randn(400, 20) * torch.linspace(40, 4, 20) + 128).clamp(0, 255).to(torch.uint8)
    monkeypatch.setattr(Problem, "load_bytes", lambda self: (images.clone(), None))
    small = replace(problem, components=4)
    fits = {name: pca_job.fit(small, *solver) for name, solver in pca_job.SOLVERS.items()}
    for name, fit in fits.items():
        found, exact = pca_job.errors(fit, fits[pca_job.REFERENCE]), "float64" in name or name == pca_job.OURS
        assert found["variance_error"] < (1e-10 if exact else 1e-4), name
        assert found["component_error"] < (1e-8 if exact else 1e-2), name
    fits[pca_job.OURS].components[1, 2] += 0.01
    assert pca_job.errors(fits[pca_job.OURS], fits[pca_job.REFERENCE])["component_error"] > 0.009


def test_points_change_one_thing(problem: Problem):
    base = replace(problem, batch_size=200, hidden_sizes=(550, 128, 100), images=9_800)
    changed = {"batch size": "batch_size", "width": "hidden_sizes", "depth": "hidden_sizes", "images": "images",
               "threads": "threads"}  # fmt: skip
    points = scaling_job.points(base)
    for axis, _, point in points:
        differing = [name for name, value in vars(point).items() if value != getattr(base, name)]
        assert differing in ([], [changed[axis]])
    assert {axis for axis, _, _ in points} == set(changed)
    assert [value for axis, value, _ in points if axis == "images"] == [980, 1_960, 4_900, 9_800]
    assert [value for axis, value, _ in scaling_job.points(replace(base, batch_size=1_000)) if axis == "images"] == [
        1_960, 4_900, 9_800]  # fmt: skip


def test_a_point_that_comes_twice_is_measured_once(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    measured: list[Problem] = []

    def made(runs: list[TimedRun], rounds: int) -> Iterator[list[RunResult]]:
        measured.append(runs[0].problem)
        yield [RunResult(run, [Epoch(5.0, {})] * rounds, None) for run in runs]

    monkeypatch.setattr(scaling_job, "run_rounds", made)
    other = replace(problem, images=60)
    chosen = [("batch size", 10, problem), ("images", 60, other), ("threads", 1, problem)]
    monkeypatch.setattr(scaling_job, "points", lambda base: [*chosen, ("depth", 1, base)])
    axes = ["batch size", "images", "threads"]
    *_, document = scaling_job.measure(options_of("scaling", rounds=2, precision="float32", axes=axes), Path())
    assert measured == [problem, other]
    assert [(row["axis"], row["images"]) for row in document["points"]] == [
        ("batch size", 130), ("images", 60), ("threads", 130)]  # fmt: skip
    assert document["points"][0]["seconds"] == {name: [5.0, 5.0] for name in ("ours", "plain", "roofline")}


class MadeProcess:
    """Takes the place of an implementation's process; every one is interrupted in its ninth epoch."""

    def __init__(self, run: TimedRun, epochs: int) -> None:
        self.run, self.snapshots, self.done = run, {}, 0

    def epoch(self) -> Epoch:
        self.done += 1
        if self.done == 9:
            raise KeyboardInterrupt
        return Epoch(2.0, {})

    def close(self) -> None:
        self.run = None


def test_an_interrupted_benchmark_keeps_its_complete_rounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    monkeypatch.setattr(rounds, "TimedProcess", MadeProcess)
    monkeypatch.setattr(rounds, "compare", lambda *_: None)
    chosen = {"only": ["plain", "lightning"], "inputs": ["pca"], "precision": ["float32"]}
    with pytest.raises(KeyboardInterrupt):
        jobs.run(options_of("train", tmp_path / "out", **{**chosen, "rounds": 10}))
    document = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert document["rounds"] == 6  # after the two epochs before the first round
    assert [len(row["seconds"]) for row in document["implementations"]] == [6, 6]
    assert (tmp_path / "out" / "train.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr()
    assert "cpu, 1 thread, 6 rounds" in printed.out
    assert "10 rounds of about" in printed.err
    assert document["environment"]["cpu"].startswith(cpu_identity())
    assert {"lightning", "torchvision", "scikit-learn"} <= document["environment"]["packages"].keys()


def test_every_round_starts_with_another_run(monkeypatch: pytest.MonkeyPatch, problem: Problem):
    order: list[str] = []

    class Recorded(MadeProcess):
        def epoch(self) -> Epoch:
            order.append(self.run.implementation.name)
            return super().epoch()

    monkeypatch.setattr(rounds, "TimedProcess", Recorded)
    runs = [TimedRun(IMPLEMENTATIONS[name], problem) for name in ("ours", "lightning", "jax")]
    *_, results = run_rounds(runs, 2)
    assert order[6:] == ["ours", "lightning", "jax", "lightning", "jax", "ours"]
    assert [result.seconds for result in results] == [[2.0, 2.0]] * 3


def hold(megabytes: int) -> int:
    """Bytes that the meter sees when so many are held and released."""
    meter = PeakMemory()
    held = bytearray(b"x") * (megabytes * 10**6)
    del held
    return meter.read()


def listen(channel: Connection) -> None:
    """Wait for a message."""
    channel.recv()


def test_ctrl_c_before_the_starting_thread_runs_stays_ctrl_c(monkeypatch):
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        FreshProcess("never started", hold)


@pytest.mark.long
@pytest.mark.slow
def test_a_fresh_process_reports_its_peak_memory_or_its_error():
    assert 45e6 < in_fresh_process(hold, 50) < 60e6
    with pytest.raises(RuntimeError, match="hold: TypeError"):
        in_fresh_process(hold, "nonsense")
    with closing(FreshProcess("plain loop", listen)) as process:
        process._process.kill()
        process._process.join()
        for ask in (lambda: process.send("go"), process.receive):
            with pytest.raises(RuntimeError, match="plain loop: its process was killed: is there too little memory"):
                ask()
