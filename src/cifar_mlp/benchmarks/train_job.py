"""``benchmark.py train``: training speed of every implementation."""

import argparse
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from cifar_mlp.benchmarks.implementations import BOTH, IMPLEMENTATIONS, choose
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.problem_options import add_problem_options, problem_of
from cifar_mlp.benchmarks.rounds import RunResult, mean_epoch, run_rounds

QUICK, QUICK_IMAGES = ("ours", "plain", "jax"), 9_800


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    add_problem_options(job, rounds=10)
    job.add_argument("--only", nargs="+", choices=IMPLEMENTATIONS, default=list(IMPLEMENTATIONS), metavar="NAME",
                     help=f"implementations: {', '.join(IMPLEMENTATIONS)} (default all)")  # fmt: skip
    job.add_argument("--inputs", nargs="+", choices=("pca", "pixels"), default=["pca", "pixels"],
                     help="principal components, pixels, or both (default both)")  # fmt: skip
    job.add_argument(
        "--quick",
        action="store_true",
        help="a first answer in about a minute: ours, plain and jax, components, two rounds of 9,800 images",
    )
    job.add_argument("--precision", nargs="+", choices=BOTH, default=list(BOTH),
                     help="of the matmuls (default both)")  # fmt: skip


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document after each round."""
    if options.quick:
        options.only, options.inputs, options.rounds = list(QUICK), ["pca"], 2
        options.images, options.precision = min(options.images, QUICK_IMAGES), ["float32"]
    problem = problem_of(options, scratch)
    runs, not_run = choose(problem, options.only, options.inputs, options.precision)
    for results in run_rounds(runs, options.rounds):
        yield as_document(problem, results, not_run)


def as_document(problem: Problem, results: Sequence[RunResult], not_run: Sequence[str]) -> dict[str, Any]:
    """Everything measured, as plain JSON types."""
    return {
        "problem": problem.describe(),
        "rounds": len(results[0].seconds),
        "implementations": [_row(result) for result in results if result.run.implementation.trains],
        "roofline": [_row(result) for result in results if not result.run.implementation.trains],
        "not_run": list(not_run),
    }


def _row(result: RunResult) -> dict[str, Any]:
    implementation, problem = result.run
    timed = {"inputs": problem.inputs, "precision": problem.precision, "seconds": result.seconds}
    other_seconds = mean_epoch(result.epochs).other_seconds
    if not implementation.trains:
        return {**timed, **other_seconds}
    agreement = None if result.agreement is None else result.agreement._asdict()
    names = {"implementation": implementation.name, "title": implementation.title}
    return {**names, **timed, "other_seconds": other_seconds, "agreement": agreement}
