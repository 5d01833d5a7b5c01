"""``benchmark.py pca``: fitting principal components, by this package and by scikit-learn."""

import argparse
import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from cifar_mlp.benchmarks.fresh_process import in_fresh_process
from cifar_mlp.benchmarks.peak_memory import PeakMemory
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.problem_options import add_problem_options, problem_of
from cifar_mlp.benchmarks.rounds import interleaved
from cifar_mlp.data import pca_fit

SHIFT, SCALE = 127.5, 1 / 127.5
OURS = "this package, exact"
REFERENCE = "scikit-learn covariance_eigh, float64"
SOLVERS: dict[str, tuple[str | None, str]] = {  # scikit-learn's svd_solver (None: this package's own) and dtype
    OURS: (None, "float64"),
    REFERENCE: ("covariance_eigh", "float64"),
    "scikit-learn covariance_eigh, float32": ("covariance_eigh", "float32"),
    "scikit-learn default (randomized), float64": ("auto", "float64"),
    "scikit-learn default (randomized), float32": ("auto", "float32"),
}


class TimedFit(NamedTuple):
    """One fit and its result."""

    seconds: float
    peak_bytes: int  # above those of the images
    variances: np.ndarray  # (K,)
    components: np.ndarray  # (K, D)


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    add_problem_options(job, rounds=3)


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document after each round of all solvers, each fit in a fresh process."""
    problem = problem_of(options, scratch)
    fits = {name: partial(in_fresh_process, fit, problem, *solver) for name, solver in SOLVERS.items()}
    for done in interleaved(fits, options.rounds):
        yield as_document(problem, done)


def as_document(problem: Problem, fits: Mapping[str, Sequence[TimedFit]]) -> dict[str, Any]:
    """Everything measured, as plain JSON types; memory and errors are the worst of all rounds."""
    reference = fits[REFERENCE][0]
    solvers = []
    for name, done in fits.items():
        found = [errors(one, reference) for one in done]
        worst = {error: float(np.max([one[error] for one in found])) for error in found[0]}  # NaN counts as worst
        peak_bytes = max(one.peak_bytes for one in done)
        solvers.append({"solver": name, "seconds": [one.seconds for one in done], "peak_bytes": peak_bytes, **worst})
    return {"problem": problem.describe(), "rounds": len(fits[REFERENCE]), "solvers": solvers}


def fit(problem: Problem, svd_solver: str | None, dtype: str) -> TimedFit:
    """Fit once. Making the floating-point matrix that scikit-learn needs counts as memory, not as time."""
    pixels_ND = problem.load_bytes()[0].flatten(1).contiguous()
    torch.set_num_threads(problem.threads)
    with threadpool_limits(problem.threads):
        if svd_solver is None:
            return fit_ours(pixels_ND.to(problem.device), problem)
        return fit_sklearn(pixels_ND, problem, svd_solver, dtype)


def fit_ours(pixels_ND: Tensor, problem: Problem) -> TimedFit:
    """This package's exact solver on bytes ``(N, D)``."""
    assert problem.components is not None
    shift_D, scale_D = (torch.full((pixels_ND.shape[1],), value, dtype=torch.float64) for value in (SHIFT, SCALE))
    memory, started = PeakMemory(), time.perf_counter()
    found = pca_fit.fit(pixels_ND, shift_D, scale_D, problem.components, "exact")
    seconds = time.perf_counter() - started
    return TimedFit(seconds, memory.read(), found.explained_variance.cpu().numpy(), found.components.cpu().numpy())


def fit_sklearn(pixels_ND: Tensor, problem: Problem, svd_solver: str, dtype: str) -> TimedFit:
    """One of scikit-learn's solvers on bytes ``(N, D)``."""
    from sklearn.decomposition import PCA

    memory = PeakMemory()
    inputs_ND = pixels_ND.to(getattr(torch, dtype)).sub_(SHIFT).mul_(SCALE).numpy()
    started = time.perf_counter()
    model = PCA(problem.components, svd_solver=svd_solver, random_state=problem.seed, copy=False).fit(inputs_ND)
    seconds = time.perf_counter() - started
    return TimedFit(seconds, memory.read(), model.explained_variance_, model.components_)


def errors(found: TimedFit, reference: TimedFit) -> dict[str, float]:
    """Largest errors: of a variance, relative; of an entry of a component, with the signs of components aligned."""
    signs_K = np.sign((found.components * reference.components).sum(1))[:, None]
    return {
        "variance_error": float(np.max(np.abs(found.variances - reference.variances) / reference.variances)),
        "component_error": float(np.max(np.abs(signs_K * found.components - reference.components))),
    }
