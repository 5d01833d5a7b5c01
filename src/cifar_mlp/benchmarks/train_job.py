"""``benchmark.py train``: images a second of every harness."""

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from cifar_mlp.benchmarks.harnesses import BOTH, HARNESSES, runners
from cifar_mlp.benchmarks.images import most_images
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.race import Result, race
from cifar_mlp.benchmarks.report import Report, show_progress
from cifar_mlp.benchmarks.spread import ratios, spread
from cifar_mlp.benchmarks.train_plot import speeds
from cifar_mlp.common.machine_share import cores
from cifar_mlp.data.cifar import CIFAR10, ROOT_VARIABLE
from cifar_mlp.parity.compare import missing
from cifar_mlp.pictures.style import pixels, png, save
from cifar_mlp.reports.performance_tables import train_tables

SCHEMA_VERSION = 1


def add_options(job: argparse.ArgumentParser) -> None:
    """The job's own."""
    add_problem_options(job)
    job.add_argument("--rounds", type=int, default=10, help="turns of each harness that are timed (default 10)")
    job.add_argument("--only", nargs="+", choices=HARNESSES, default=list(HARNESSES), metavar="HARNESS",
                     help=f"of {', '.join(HARNESSES)} (default all)")  # fmt: skip
    job.add_argument("--inputs", nargs="+", choices=("pca", "pixels"), default=["pca", "pixels"],
                     help="principal components, pixels, or both (default both)")  # fmt: skip
    job.add_argument("--precision", nargs="+", choices=BOTH, default=list(BOTH),
                     help="of the matrix products (default both)")  # fmt: skip


def add_problem_options(job: argparse.ArgumentParser) -> None:
    """What is trained, and where."""
    job.add_argument("--images", type=int, default=most_images(), metavar="N",
                     help="training images in an epoch (default %(default)s)")  # fmt: skip
    job.add_argument("--components", type=int, default=510, metavar="K",
                     help="principal components for the pca inputs (default %(default)s)")  # fmt: skip
    job.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where (default %(default)s)")
    job.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N",
                     help="what PyTorch and the BLAS may use (default %(default)s)")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Race, and report."""
    if reason := missing(options.device):
        print(f"{options.device}: not run ({reason})")
        return 0
    require_a_harness(options)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        problem = problem_of(options, Path(scratch))
        chosen = runners(problem, options.only, options.inputs, options.precision)
        results, absent = race(chosen, options.rounds, show_progress)
    document = as_document(problem, options.rounds, results, absent)
    report = Report("train", "Training speed", document, train_tables(document), options.output, ("train.png",))
    report.show()
    if options.output is not None:
        report.write()
        save(png(pixels(speeds(document))), options.output / "train.png")
    return 0


def require_a_harness(options: argparse.Namespace) -> None:
    """Raise ``ValueError`` where none of those asked for can run here."""
    chosen = runners(Problem(options.card, Path()), options.only, options.inputs, options.precision)
    reasons = {runner.entry.title: runner.entry.missing(options.device) for runner in chosen}
    if reasons and all(reasons.values()):
        said = ", ".join(f"{title} ({reason})" for title, reason in reasons.items())
        raise ValueError(f"--only leaves nothing that can run: {said}; name another harness, such as plain")


def problem_of(options: argparse.Namespace, scratch: Path) -> Problem:
    """What the options ask for.

    Raises:
        ValueError: For numbers that cannot be; names the option.
    """
    require_sizes(options)
    if not 1 <= options.threads <= cores():
        raise ValueError(
            f"--threads must lie between 1 and {cores()}, the cores that this process may use, not be {options.threads}"
        )
    real = bool(os.environ.get(ROOT_VARIABLE))
    if real:
        CIFAR10.prepare(None, "train")
    else:
        print(f"{ROOT_VARIABLE} is not set: training on bytes made up in CIFAR-10's shape", file=sys.stderr)
    return Problem(
        options.card, scratch, options.components, "float32", options.images, real, options.device, options.threads
    )


def require_sizes(options: argparse.Namespace) -> None:
    """Raise ``ValueError`` for too many or too few images, or components that so many images do not have."""
    share = 2 if "images" in getattr(options, "axes", ()) else 1  # scaling by images trains on half of them too
    fewest = 2 if options.job == "pca" else share * Problem.batch_size
    if not fewest <= options.images <= most_images():
        raise ValueError(f"--images must lie between {fewest} and {most_images()}, not be {options.images}")
    most = min(options.images // share, math.prod(CIFAR10.image_shape))
    if "pca" in getattr(options, "inputs", ("pca",)) and not 1 <= options.components <= most:
        raise ValueError(
            f"--components must lie between 1 and {most} with --images {options.images}, not be {options.components}"
        )


def describe(problem: Problem) -> dict[str, Any]:
    """The problem as plain JSON types."""
    return {
        "data": "CIFAR-10" if problem.real else "made bytes",
        "images": problem.images,
        "steps": problem.steps,
        "components": problem.components,
        "hidden_sizes": problem.hidden_sizes,
        "batch_size": problem.batch_size,
        "lr": problem.lr,
        "weight_decay": problem.weight_decay,
        "check_steps": problem.check_steps,
        "device": problem.device,
        "threads": problem.threads,
    }


def as_document(problem: Problem, rounds: int, results: Sequence[Result], absent: Sequence[str]) -> dict[str, Any]:
    """Everything as plain JSON types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": "train",
        "problem": describe(problem),
        "rounds": rounds,
        "harnesses": [_entry(result, results) for result in results if result.runner.entry.trains],
        "limits": [_limit(result) for result in results if not result.runner.entry.trains],
        "not_run": list(absent),
    }


def _entry(result: Result, results: Sequence[Result]) -> dict[str, Any]:
    runner = result.runner
    others = {other.runner.key: other for other in results}
    limit = others.get(("roofline", *runner.key[1:]))
    return {
        "harness": runner.harness,
        "title": runner.entry.title,
        "inputs": runner.inputs,
        "precision": runner.problem.precision,
        "seconds": result.seconds,
        "images_per_second": spread([runner.problem.images / second for second in result.seconds])._asdict(),
        "share_of_limit": None if limit is None else ratios(limit.seconds, result.seconds)._asdict(),
        "apart": _means(result),
        "agreement": None if result.agreement is None else asdict(result.agreement),
        "speed_to": [
            {"harness": name, "inputs": kind, "precision": precision,
             **ratios(other.seconds, result.seconds)._asdict()}
            for (name, kind, precision), other in others.items()
            if other.runner.entry.trains and other is not result
        ],
    }  # fmt: skip


def _limit(result: Result) -> dict[str, Any]:
    return {
        "inputs": result.runner.inputs,
        "precision": result.runner.problem.precision,
        "seconds": spread(result.seconds)._asdict(),
        **_means(result),
    }


def _means(result: Result) -> dict[str, float]:
    """Of what was reported apart; some of it comes only every few epochs."""
    return {
        name: statistics.fmean(lap.apart.get(name, 0.0) for lap in result.laps)
        for name in sorted({name for lap in result.laps for name in lap.apart})
    }
