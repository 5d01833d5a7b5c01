"""``benchmark.py pca``: fitting principal components, this package's way and scikit-learn's."""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from cifar_mlp.benchmarks.measured_process import PeakMemory, in_a_process
from cifar_mlp.benchmarks.pca_plot import seconds_and_memory
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.report import Report, show_progress
from cifar_mlp.benchmarks.spread import ratios, spread
from cifar_mlp.benchmarks.train_job import SCHEMA_VERSION, add_problem_options, describe, problem_of
from cifar_mlp.data import pca_fit
from cifar_mlp.parity.compare import missing
from cifar_mlp.pictures.style import pixels, png, save
from cifar_mlp.reports.performance_tables import pca_tables

SHIFT, SCALE = 127.5, 1 / 127.5
REFERENCE = "scikit-learn covariance_eigh, float64"
OURS = "this package, exact"


class Fit(NamedTuple):
    """One fit: seconds, bytes above those of the images, and what was found."""

    seconds: float
    peak_bytes: int
    variances: np.ndarray
    components: np.ndarray


@dataclass(frozen=True)
class Solver:
    """One of scikit-learn's, in one precision; without a name, this package's own."""

    name: str | None = None
    dtype: str = "float64"


SOLVERS = {
    OURS: Solver(),
    REFERENCE: Solver("covariance_eigh"),
    "scikit-learn covariance_eigh, float32": Solver("covariance_eigh", "float32"),
    "scikit-learn default (randomized), float64": Solver("auto"),
    "scikit-learn default (randomized), float32": Solver("auto", "float32"),
}


def add_options(job: argparse.ArgumentParser) -> None:
    """The job's own."""
    add_problem_options(job)
    job.add_argument("--rounds", type=int, default=3, help="fits by each (default 3)")


def run(options: argparse.Namespace) -> int:
    """Fit in turn, each time in a fresh process, and report."""
    if reason := missing(options.device):
        print(f"{options.device}: not run ({reason})")
        return 0
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {options.rounds}")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        problem = problem_of(options, Path(scratch))
        if not 1 <= options.components <= min(options.images, 3072):
            raise ValueError(f"--components must lie between 1 and {min(options.images, 3072)}")
        document = measure(problem, options.rounds, show_progress)
    report = Report("pca", "Principal components", document, pca_tables(document), options.output, ("pca.png",))
    report.show()
    if options.output is not None:
        report.write()
        save(png(pixels(seconds_and_memory(document))), options.output / "pca.png")
    return 0


def measure(problem: Problem, rounds: int, progress: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """All solvers in turn, each round beginning with another."""
    fits: dict[str, list[Fit]] = {name: [] for name in SOLVERS}
    order = list(SOLVERS)
    for number in range(rounds):
        for name in order:
            progress(f"round {number + 1} of {rounds}: {name}")
            fits[name].append(in_a_process(fit, problem, SOLVERS[name]))
        order.append(order.pop(0))
    reference = fits[REFERENCE][0]
    mine = [one.seconds for one in fits[OURS]]
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": "pca",
        "problem": describe(problem),
        "rounds": rounds,
        "solvers": [
            {
                "solver": name,
                "seconds": spread([one.seconds for one in done])._asdict(),
                "seconds_by_round": [one.seconds for one in done],
                "ours_faster": ratios([one.seconds for one in done], mine)._asdict(),
                "peak_bytes": max(one.peak_bytes for one in done),
                **worst([errors(one, reference) for one in done]),
            }
            for name, done in fits.items()
        ],
    }


def fit(problem: Problem, solver: Solver) -> Fit:
    """Fit once; making the floating-point matrix that scikit-learn needs counts as memory, not as time."""
    pixels_ND = problem.load_bytes()[0].flatten(1).contiguous()
    torch.set_num_threads(problem.threads)
    with threadpool_limits(problem.threads):
        return _fit(pixels_ND, problem, solver)


def _fit(pixels_ND: Tensor, problem: Problem, solver: Solver) -> Fit:
    assert problem.components is not None
    if solver.name is None:
        shift_D, scale_D = (torch.full((pixels_ND.shape[1],), value, dtype=torch.float64) for value in (SHIFT, SCALE))
        pixels_ND = pixels_ND.to(problem.device)
        memory, started = PeakMemory(), time.perf_counter()
        found = pca_fit.fit(pixels_ND, shift_D, scale_D, problem.components, "exact")
        seconds = time.perf_counter() - started
        return Fit(seconds, memory.read(), found.explained_variance.cpu().numpy(), found.components.cpu().numpy())
    from sklearn.decomposition import PCA

    memory = PeakMemory()
    inputs_ND = pixels_ND.to(getattr(torch, solver.dtype)).sub_(SHIFT).mul_(SCALE).numpy()
    started = time.perf_counter()
    model = PCA(problem.components, svd_solver=solver.name, random_state=problem.seed, copy=False).fit(inputs_ND)
    seconds = time.perf_counter() - started
    return Fit(seconds, memory.read(), model.explained_variance_, model.components_)


def errors(found: Fit, reference: Fit) -> dict[str, float]:
    """Largest errors: of a variance relative to its own, of a component's entry with its sign aligned."""
    signs_K = np.sign((found.components * reference.components).sum(1))[:, None]
    return {
        "variance_error": float(np.max(np.abs(found.variances - reference.variances) / reference.variances)),
        "component_error": float(np.max(np.abs(signs_K * found.components - reference.components))),
    }


def worst(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The largest of each error over the rounds; what is no number counts as largest."""
    return {name: float(np.max([found[name] for found in rounds])) for name in rounds[0]}
