"""``benchmark.py scaling``: images a second by size of batch, network and data, and by threads."""

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cifar_mlp.benchmarks.harnesses import BOTH, Runner
from cifar_mlp.benchmarks.images import most_images
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.race import race
from cifar_mlp.benchmarks.report import Report, show_progress
from cifar_mlp.benchmarks.scaling_plot import curves
from cifar_mlp.benchmarks.spread import ratios, spread
from cifar_mlp.benchmarks.train_job import SCHEMA_VERSION, add_problem_options, describe, problem_of
from cifar_mlp.parity.compare import missing
from cifar_mlp.pictures.style import pixels, png, save
from cifar_mlp.reports.performance_tables import scaling_tables

IMAGES = 9_800  # in an epoch, unless their number is what changes: short; a last batch may not be full
NAMES = ("ours", "plain", "roofline")
AXES = ("batch size", "width", "depth", "images", "threads")
Point = tuple[str, float, Problem]


def add_options(job: argparse.ArgumentParser) -> None:
    """The job's own."""
    add_problem_options(job)
    job.set_defaults(images=IMAGES)
    job.add_argument("--rounds", type=int, default=5, help="turns of each harness at each point (default 5)")
    job.add_argument("--precision", choices=BOTH, default="float32", help="of the products (default float32)")
    job.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS",
                     help=f"of {', '.join(map(repr, AXES))}")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Race at every point, and report."""
    if reason := missing(options.device):
        print(f"{options.device}: not run ({reason})")
        return 0
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        problem = replace(problem_of(options, Path(scratch)), precision=options.precision)
        chosen = [point for point in points(problem) if point[0] in options.axes]
        document = measure(problem, chosen, options.rounds, show_progress)
    report = Report("scaling", "Scaling", document, scaling_tables(document), options.output, ("scaling.png",))
    report.show()
    if options.output is not None:
        report.write()
        save(png(pixels(curves(document))), options.output / "scaling.png")
    return 0


def points(base: Problem) -> list[Point]:
    """Axis, place on it, and the problem there; all but one thing as in ``base``."""
    widths = [tuple(max(1, int(size * factor)) for size in base.hidden_sizes) for factor in (0.5, 1, 2, 4)]
    depths: list[tuple[int, ...]] = [(), (550,), (550, 128), (550, 128, 100), (550, 250, 180, 120)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = sorted({1, base.threads, *(2**power for power in range(10) if 2**power <= cores)})
    images = sorted({base.images // 2, base.images, min(2 * base.images, most_images()), most_images()})
    return [
        *(("batch size", size, replace(base, batch_size=size))
          for size in (50, 100, 200, 800, 3200) if size < base.images),
        *(("width", factor, replace(base, hidden_sizes=sizes))
          for factor, sizes in zip((0.5, 1, 2, 4), widths, strict=True)),
        *(("depth", len(sizes) + 1, replace(base, hidden_sizes=sizes)) for sizes in depths),
        *(("images", count, replace(base, images=count)) for count in images),
        *(("threads", count, replace(base, threads=count)) for count in threads),
    ]  # fmt: skip


def measure(
    base: Problem, chosen: list[Point], rounds: int, progress: Callable[[str], None] = lambda step: None
) -> dict[str, Any]:
    """The same three harnesses at every point; points that are the same problem are measured once."""
    measured: dict[Problem, dict[str, Any]] = {}
    rows = []
    for axis, place, problem in chosen:
        if problem not in measured:
            progress(f"{axis} {place:g}")
            measured[problem] = _at(problem, rounds)
        rows.append({"axis": axis, "place": place, **measured[problem]})
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": "scaling",
        "problem": {**describe(base), "precision": base.precision},
        "rounds": rounds,
        "points": rows,
    }


def _at(problem: Problem, rounds: int) -> dict[str, Any]:
    results, _ = race([Runner(name, problem) for name in NAMES], rounds)
    ours, plain, limit = (result.seconds for result in results)

    def speed(seconds: list[float]) -> dict[str, Any]:
        return spread([problem.images / second for second in seconds])._asdict()

    return {
        "hidden_sizes": problem.hidden_sizes,
        "seconds_by_round": {"ours": ours, "plain": plain, "limit": limit},
        "ours": speed(ours),
        "plain": speed(plain),
        "limit": speed(limit),
        "ours_to_plain": ratios(plain, ours)._asdict(),
        "share_of_limit": ratios(limit, ours)._asdict(),
    }
