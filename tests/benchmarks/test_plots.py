"""What the benchmarks write, numbers and pictures, from measurements that are made up."""

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from cifar_mlp.benchmarks import parity_job, pca_job, roofline, scaling_job, startup_job
from cifar_mlp.benchmarks.bars import Bar, draw
from cifar_mlp.benchmarks.laps import Lap, Laps
from cifar_mlp.benchmarks.parity_plot import times
from cifar_mlp.benchmarks.pca_plot import seconds_and_memory
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.scaling_plot import LABELS, curves
from cifar_mlp.benchmarks.startup_plot import waits
from cifar_mlp.benchmarks.train_plot import speeds
from cifar_mlp.data.cifar import ROOT_VARIABLE
from cifar_mlp.parity.speed import DEFAULT_SIZES, Timing
from cifar_mlp.pictures.style import BLUE, VERMILION, new_figure, pixels

CARD = Path(__file__).resolve().parents[2] / "configs" / "report" / "q4_best.yaml"


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return Problem(CARD, tmp_path, 6, images=125, real=False, hidden_sizes=(9, 7), batch_size=10)


def test_the_limit_has_no_more_products_than_images(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roofline, "_seconds_a_call", lambda call, device: 1.0)
    sent: list[Lap] = []
    wire = SimpleNamespace(send=sent.append, recv=lambda: "go")
    roofline.measure(problem, Laps(problem, 1, wire))
    (lap,) = (message for message in sent if isinstance(message, Lap))
    assert lap.apart["products"] == 8 * 12.5  # twelve batches and a half, eight products in each
    moved = 24 * roofline.parameters(problem)
    assert lap.apart["traffic"] == pytest.approx(13 * roofline.traffic_bytes(problem) / moved)


def made_fit(seconds: float, error: float) -> pca_job.Fit:
    return pca_job.Fit(seconds, 10**6, np.array([2.0, 1.0 + error]), np.array([[1.0, 0.0], [error, 1.0]]))


def test_the_errors_of_a_pca_are_the_worst_of_all_rounds(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    planned = {pca_job.SOLVERS[name]: [made_fit(1.0, 0.0)] * 2 for name in pca_job.SOLVERS}
    planned[pca_job.SOLVERS[pca_job.OURS]] = [made_fit(3.0, 0.25), made_fit(2.0, 0.125)]
    left = {solver: iter(fits) for solver, fits in planned.items()}
    monkeypatch.setattr(pca_job, "in_a_process", lambda call, problem, solver: next(left[solver]))
    mine, other = pca_job.measure(problem, 2)["solvers"][:2]
    assert (mine["variance_error"], mine["component_error"]) == (0.25, 0.25)
    assert (other["variance_error"], other["component_error"]) == (0.0, 0.0)
    assert mine["seconds_by_round"] == [3.0, 2.0]
    assert math.isnan(pca_job.worst([{"e": 1.0}, {"e": math.nan}, {"e": 2.0}])["e"])


def test_every_start_is_written_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    taken = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(startup_job, "commands", lambda *_: {"one": []})
    monkeypatch.setattr(startup_job, "seconds_of", lambda *_: next(taken))
    monkeypatch.setattr(startup_job, "import_seconds", lambda module: [])
    (row,) = startup_job.measure(CARD, tmp_path, 3)["commands"]
    assert row["seconds_by_round"] == [3.0, 1.0, 2.0]
    assert row["seconds"]["median"] == 2.0


def test_every_epoch_of_a_point_is_written_down(problem: Problem, monkeypatch: pytest.MonkeyPatch):
    planned = {"ours": [5.0, 10.0], "plain": [10.0, 20.0], "roofline": [1.0, 2.0]}
    monkeypatch.setattr(
        scaling_job, "race",
        lambda runners, rounds: ([SimpleNamespace(seconds=planned[runner.harness]) for runner in runners], []),
    )  # fmt: skip
    (row,) = scaling_job.measure(problem, [("batch size", 10, problem)], 2)["points"]
    assert row["seconds_by_round"] == {"ours": [5.0, 10.0], "plain": [10.0, 20.0], "limit": [1.0, 2.0]}
    assert row["ours"]["median"] == (25.0 + 12.5) / 2
    json.dumps(row)


HERE = {"devices": {"cpu": "a machine"}, "threads": 3}
SHAPE = {"data": "made bytes", "hidden_sizes": [9, 7], "batch_size": 10, "images": 12_500, "threads": 3,
         "components": 6, "device": "cpu"}  # fmt: skip


def spread(median: float) -> dict[str, Any]:
    return {"median": median, "quartiles": [median - 1, median + 1], "range": [median - 2, median + 3]}


def read(axes: Axes) -> list[tuple[str, float, bool]]:
    """Every bar from the top: label, length, whether it is hatched."""
    bottom, top = axes.get_ylim()
    assert bottom > top  # places count from the top
    written = axes.yaxis.get_major_formatter()  # also where the panel beside it shows the labels
    labels = [written(place) for place in axes.get_yticks()]
    bars = [(round(bar.get_width(), 6), bar.get_hatch() is not None) for bar in axes.patches]
    return [(label, *bar) for label, bar in zip(labels, bars, strict=True)]


def whiskers(axes: Axes) -> list[tuple[float, float]]:
    return [tuple(lines.get_segments()[0][:, 0].round(6)) for lines in axes.collections]


def test_a_bar_is_as_long_as_its_value_and_a_whisker_as_its_ends():
    axes = new_figure(6, 3).subplots()
    draw(axes, [Bar("one", 1234.5, (1000, 1500), True), Bar("two", 2.0, colour=VERMILION)], "title", "unit")
    assert read(axes) == [("one", 1234.5, True), ("two", 2.0, False)]
    assert whiskers(axes) == [(1000, 1500)]
    assert [text.get_text() for text in axes.texts] == ["1,234", "2"]
    assert [text.xy[0] for text in axes.texts] == [1500, 2]
    assert axes.get_xlim()[1] > 1600  # room for the number
    assert (axes.get_title("left"), axes.get_xlabel()) == ("title", "unit")


def test_training_speed_says_of_what_and_where():
    def row(title: str, median: float, precision: str = "float32") -> dict[str, Any]:
        return {"title": title, "inputs": "pca", "precision": precision,
                "images_per_second": spread(median)}  # fmt: skip

    rows = [row("cifar-mlp fit", 20), row("plain loop", 10), row("plain loop", 30, "bfloat16")]
    limit = {"inputs": "pca", "precision": "float32", "seconds": spread(250)}
    figure = speeds({"problem": SHAPE, "harnesses": rows, "limits": [limit], "environment": HERE})
    (axes,) = figure.axes
    assert read(axes) == [
        ("plain loop, bfloat16", 30, False), ("cifar-mlp fit, float32", 20, True), ("plain loop, float32", 10, False),
    ]  # fmt: skip
    assert whiskers(axes) == [(29, 31), (19, 21), (9, 11)]
    (dashed,) = (line for line in axes.lines if line.get_linestyle() == "--")
    assert (dashed.get_xdata()[0], dashed.get_color()) == (50, BLUE)
    assert axes.get_title("left") == "6 principal components"
    title = figure.get_suptitle()
    for words in ("orange bfloat16", "dashed: ", "hidden 9-7, batch 10, 12,500 images of made bytes, a machine, 3"):
        assert words in title
    assert pixels(figure).std() > 0


def pca_document() -> dict[str, Any]:
    rows = [
        {"solver": name, "seconds": spread(median), "seconds_by_round": [median], "ours_faster": spread(1.0),
         "peak_bytes": size, "variance_error": 0.0, "component_error": 0.0}
        for name, median, size in (("slow", 9.0, 10**9), (pca_job.OURS, 3.0, 2 * 10**6))
    ]  # fmt: skip
    return {"problem": SHAPE, "rounds": 1, "solvers": rows, "environment": HERE}


def test_components_are_drawn_with_seconds_and_memory():
    figure = seconds_and_memory(pca_document())
    left, right = figure.axes
    assert read(left) == [(pca_job.OURS, 3, True), ("slow", 9, False)]
    assert whiskers(left) == [(1, 6), (7, 12)]
    assert [bar[1:] for bar in read(right)] == [(2, True), (1000, False)]
    assert "12,500 images of made bytes, 3,072 pixels to 6 components, a machine, 3 thread" in figure.get_suptitle()
    assert pixels(figure).std() > 0


def startup_document() -> dict[str, Any]:
    rows = [{"command": name, "seconds": spread(median)} for name, median in (("cifar-mlp --help", 5.0), ("less", 4.0))]
    imports = [{"package": "torch", "seconds": 2.0, "modules": 3}, {"package": "cifar_mlp", "seconds": 1, "modules": 1}]
    return {"rounds": 1, "commands": rows, "imports": imports, "not_run": [], "environment": HERE}


def test_starts_are_drawn_as_tabled_and_imports_below():
    figure = waits(startup_document())
    above, below = figure.axes
    assert read(above) == [("cifar-mlp --help", 5, True), ("less", 4, False)]
    assert whiskers(above) == [(3, 8), (2, 7)]
    assert read(below) == [("torch", 2, False), ("cifar_mlp", 1, True)]
    assert "a machine, 3 thread" in figure.get_suptitle()
    assert pixels(figure).std() > 0


def timing(size: str, candidate: str, milliseconds: float) -> Timing:
    speed = 4 / milliseconds
    return Timing(size, candidate, "cpu", milliseconds, speed, (speed - 0.5, speed + 0.5), (0, 9), None, 10)


TIMINGS = [timing(size, name, took) for size in ("5-6-7:8", "6-7-8:9")
           for name, took in (("autograd, eager", 4.0), ("hand-derived", 2.0))]  # fmt: skip


def test_gradients_are_drawn_with_milliseconds_and_speeds():
    document = {"timings": [asdict(one) for one in TIMINGS], "baseline": "autograd, eager", "environment": HERE}
    figure = times(document)
    assert [panel.get_title("left") for panel in figure.axes] == ["5-6-7:8", "", "6-7-8:9", ""]
    left, right = figure.axes[2:]
    assert read(left) == [("autograd, eager", 4, False), ("hand-derived", 2, True)]
    assert read(right) == [("autograd, eager", 1, False), ("hand-derived", 2, True)]
    assert (whiskers(left), whiskers(right)) == ([], [(0.5, 1.5), (1.5, 2.5)])
    assert "a machine, 3 thread" in figure.get_suptitle()
    assert pixels(figure).std() > 0


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 2)), (2, (1, 3)), (3, (2, 3)), (5, (2, 3))])
def test_scaling_fits_a_page(count: int, shape: tuple[int, int]):
    speed = {"ours": spread(40_000), "plain": spread(60_000), "limit": spread(220_000)}
    rows = [{"axis": name, "place": place, **speed} for name in list(LABELS)[:count] for place in (0.5, 3200)]
    figure = curves({"points": rows, "problem": {**SHAPE, "precision": "float32"}})
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    panels = figure.axes[:count]
    assert [panel.get_xlabel() for panel in panels] == list(LABELS.values())[:count]
    assert all(not spare.axison for spare in figure.axes[count:])
    assert [text.get_text() for text in figure.axes[count].get_legend().get_texts()] == [
        "cifar-mlp fit", "plain PyTorch loop", "this machine's limit",
    ]  # fmt: skip
    assert pixels(figure).std() > 0
    low, high = panels[0].get_ylim()
    ticks = [label.get_text() for place, label in zip(panels[0].get_yticks(), panels[0].get_yticklabels(), strict=True)
             if low <= place <= high]  # fmt: skip
    assert ticks == ["40,000", "50,000", "70,000", "100,000", "150,000", "200,000"]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["0.5", "3,200"]
    assert "6 principal components, hidden 9-7, batch 10, 12,500 images, 3 thread(s)" in figure.get_suptitle()


def options_of(job: ModuleType, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    job.add_options(parser)
    parser.add_argument("--output", type=Path)
    parser.set_defaults(card=CARD, job=job.__name__.rsplit(".", 1)[1].removesuffix("_job"))
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    ("job", "function", "answer", "name"),
    [
        (pca_job, "measure", pca_document(), "pca.png"),
        (startup_job, "measure", startup_document(), "startup.png"),
        (parity_job, "benchmark", (TIMINGS, []), "benchmark.png"),
    ],
    ids=["pca", "startup", "parity"],
)
def test_a_job_writes_its_picture_and_its_page_shows_it(job, function, answer, name, tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    monkeypatch.setattr(job, function, lambda *_, **__: answer)
    assert job.run(options_of(job, "--output", str(tmp_path / "out"))) == 0
    assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert f"]({name})" in (tmp_path / "out" / "benchmark.md").read_text()


def test_the_parity_jobs_options_say_their_defaults():
    parser = argparse.ArgumentParser()
    parity_job.add_options(parser)
    words = " ".join(parser.format_help().split())
    options = parser.parse_args([])
    assert f"images in a batch (default {' '.join(DEFAULT_SIZES)}; N 200)" in words
    assert f"timings of each candidate (default {options.rounds})" in words
    assert f"inputs and weights (default {options.seed})" in words
