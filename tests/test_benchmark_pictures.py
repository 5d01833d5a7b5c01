"""What the benchmarks write, numbers and pictures, from measurements that are made up."""

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cifar_mlp.benchmarks import pca_job, roofline, scaling_job, startup_job
from cifar_mlp.benchmarks.laps import Lap, Laps
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.data import sources

CARD = Path(__file__).resolve().parent.parent / "configs" / "report" / "q4_best.yaml"


@pytest.fixture(autouse=True)
def same_sources(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "SOURCES", dict(sources.SOURCES))
    for module in ("cifar_mlp.data.datamodule", "cifar_mlp.benchmarks.images"):
        monkeypatch.setattr(sys.modules[module], "SOURCES", sources.SOURCES)


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
