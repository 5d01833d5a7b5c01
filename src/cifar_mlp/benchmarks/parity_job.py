"""``benchmark.py parity``: speed and memory of the hand-derived gradients, autograd and NumPy."""

import argparse
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cifar_mlp.benchmarks.gradient_speed import BASELINE, DEFAULT_SIZES, benchmark
from cifar_mlp.benchmarks.rounds import show_progress
from cifar_mlp.common.provenance import precision_readings
from cifar_mlp.parity.evidence.cases import DEFAULT_BATCH
from cifar_mlp.parity.evidence.matmul_precision import full_precision


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    job.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, metavar="D-H-C[:N]",
                     help=f"inputs, hidden units and classes of a two-layer network, and images in a batch "
                     f"(default {' '.join(DEFAULT_SIZES)}; N {DEFAULT_BATCH})")  # fmt: skip
    job.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run (default %(default)s)")
    job.add_argument("--rounds", type=int, default=20, help="timings of each candidate (default %(default)s)")
    job.add_argument("--seed", type=int, default=0, help="of random inputs and weights (default %(default)s)")
    job.add_argument("--no-compile", action="store_true", help="leave torch.compile out")


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document, at the end."""
    with full_precision():
        timings, not_run = benchmark(
            tuple(options.sizes), device=options.device, rounds=options.rounds, seed=options.seed,
            with_compile=not options.no_compile, progress=show_progress,
        )  # fmt: skip
        yield {
            "baseline": BASELINE,
            "rounds": options.rounds,
            "environment": {"fp32_precision": precision_readings()},
            "timings": [asdict(timing) for timing in timings],
            "not_run": not_run,
        }
