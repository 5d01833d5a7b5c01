"""``benchmark.py scaling``: training speed by batch size, network, number of images and threads."""

import argparse
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cifar_mlp.benchmarks.images import MOST_IMAGES
from cifar_mlp.benchmarks.implementations import BOTH, IMPLEMENTATIONS, TimedRun
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.benchmarks.problem_options import add_problem_options, problem_of
from cifar_mlp.benchmarks.rounds import run_rounds, show_progress
from cifar_mlp.common.parallel_runs import cores

NAMES = ("ours", "plain", "roofline")
AXES = ("batch size", "width", "depth", "images", "threads")
Point = tuple[str, float, Problem]


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    add_problem_options(job, rounds=5, images=MOST_IMAGES)
    job.add_argument("--precision", choices=BOTH, default="float32", help="of the matmuls (default %(default)s)")
    job.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS",
                     help=f"what to vary: {', '.join(map(repr, AXES))} (default all)")  # fmt: skip


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document after each point; points that are the same problem are measured once."""
    base = replace(problem_of(options, scratch), precision=options.precision)
    chosen = [point for point in points(base) if point[0] in options.axes]
    seconds: dict[Problem, dict[str, list[float]]] = {}
    rows = []
    for number, (axis, value, problem) in enumerate(chosen, start=1):
        if problem not in seconds:
            show_progress(f"point {number} of {len(chosen)}: {axis} {value:g}")
            *_, results = run_rounds([TimedRun(IMPLEMENTATIONS[name], problem) for name in NAMES], options.rounds)
            seconds[problem] = {result.run.implementation.name: result.seconds for result in results}
        sizes = {"images": problem.images, "hidden_sizes": problem.hidden_sizes}
        rows.append({"axis": axis, "value": value, **sizes, "seconds": seconds[problem]})
        yield {"problem": {**base.describe(), "precision": base.precision}, "rounds": options.rounds, "points": rows}


def points(base: Problem) -> list[Point]:
    """Axis, value on it, and the problem there, which differs from ``base`` in that one thing."""
    widths = {factor: tuple(max(1, int(size * factor)) for size in base.hidden_sizes) for factor in (0.5, 1, 2, 4)}
    depths: list[tuple[int, ...]] = [(), (550,), (550, 128), (550, 128, 100), (550, 250, 180, 120)]
    threads = sorted({1, base.threads, *(2**power for power in range(10) if 2**power <= cores())})
    images = sorted({base.images // share for share in (1, 2, 5, 10) if base.images // share >= base.batch_size})
    return [
        *(("batch size", size, replace(base, batch_size=size))
          for size in (50, 100, 200, 800, 3200) if size < base.images),
        *(("width", factor, replace(base, hidden_sizes=sizes)) for factor, sizes in widths.items()),
        *(("depth", len(sizes) + 1, replace(base, hidden_sizes=sizes)) for sizes in depths),
        *(("images", count, replace(base, images=count)) for count in images),
        *(("threads", count, replace(base, threads=count)) for count in threads),
    ]  # fmt: skip
