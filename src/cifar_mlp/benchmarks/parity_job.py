"""``benchmark.py parity``: the speed and memory of gradients by hand beside autograd's."""

import argparse
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from cifar_mlp.benchmarks.parity_plot import times
from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.json_rows import write_json_rows
from cifar_mlp.common.provenance import environment
from cifar_mlp.parity.compare import missing
from cifar_mlp.parity.evidence.cases import DEFAULT_BATCH
from cifar_mlp.parity.evidence.matmul_precision import full_precision
from cifar_mlp.parity.speed import BASELINE, DEFAULT_SIZES, Timing, benchmark
from cifar_mlp.pictures.style import pixels, png, save

COLUMNS = (
    "size",
    "candidate",
    "ms",
    "speed to eager autograd",
    "quartiles",
    "range",
    "allocated MB",
    "peak MB",
)
SCHEMA_VERSION = 1
PICTURE = "benchmark.png"  # parity.png in the same folder is that of scripts/parity.py


def add_options(job: argparse.ArgumentParser) -> None:
    """The job's own."""
    job.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, metavar="D-H-C[:N]",
                     help=f"inputs, hidden units and classes of a two-layer network, and images in a batch "
                     f"(default {' '.join(DEFAULT_SIZES)}; N {DEFAULT_BATCH})")  # fmt: skip
    job.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    job.add_argument("--rounds", type=int, default=20, help="timings of each candidate (default 20)")
    job.add_argument("--seed", type=int, default=0, help="of the numbers drawn for inputs and weights (default 0)")
    job.add_argument("--no-compile", action="store_true", help="leave torch.compile out")


def run(options: argparse.Namespace) -> int:
    """Hand against autograd against NumPy: print, and write what was asked for."""
    if reason := missing(options.device):
        print(f"{options.device}: not run ({reason})")
        return 0
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
    with full_precision():
        timings, absent = benchmark(
            tuple(options.sizes),
            device=options.device,
            rounds=options.rounds,
            seed=options.seed,
            with_compile=not options.no_compile,
            progress=lambda step: print(step, file=sys.stderr, flush=True),
        )
        surroundings = environment((options.device,), options.seed)
    rows = [_cells(timing) for timing in timings]
    table = Table(*COLUMNS, title=f"Loss and gradients, float32, {options.device}, {options.rounds} rounds in turn")
    for cells in rows:
        table.add_row(*cells)
    Console(width=None if sys.stdout.isatty() else 130).print(table)
    for line in absent:
        print(line)
    if options.output is not None:
        document = {
            "schema_version": SCHEMA_VERSION,
            "benchmark": "parity",
            "baseline": BASELINE,
            "rounds": options.rounds,
            "environment": surroundings,
            "timings": [asdict(timing) for timing in timings],
            "not_run": absent,
        }
        write_json_rows(options.output / "benchmark.json", document, ("timings",))
        about = [f"- {key}: {value}" for key, value in surroundings.items()]
        text = [
            "# Speed of the gradients by hand",
            "",
            markdown.table(COLUMNS, rows, words=2),
            f"![Speed of the gradients by hand]({PICTURE})",
            "",
            *absent,
            "",
            *about,
            "",
        ]
        write_whole("\n".join(text), options.output / "benchmark.md")
        save(png(pixels(times(document))), options.output / PICTURE)
        print(f"written: {options.output}")
    return 0


def _cells(timing: Timing) -> list[str]:
    return [
        timing.size,
        timing.candidate,
        f"{timing.milliseconds:.3f}",
        f"{timing.speed:.3f}",
        "{:.3f} to {:.3f}".format(*timing.speed_quartiles),
        "{:.3f} to {:.3f}".format(*timing.speed_range),
        _megabytes(timing.allocated_bytes),
        _megabytes(timing.peak_bytes),
    ]


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.2f}"
