"""Measurements of speed and memory, one subcommand each.

python scripts/benchmark.py parity --output benchmark_report
python scripts/benchmark.py views --config configs/report/q4_best.yaml
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cifar_mlp.benchmarks import train_job
from cifar_mlp.callbacks.stopwatch import Stopwatch
from cifar_mlp.cli import run
from cifar_mlp.messages import OneLineParser
from cifar_mlp.parity.compare import missing
from cifar_mlp.parity.evidence.environment import environment
from cifar_mlp.parity.evidence.precision import full_precision
from cifar_mlp.parity.evidence.report import markdown_table, write_json, write_whole
from cifar_mlp.parity.speed import BASELINE, DEFAULT_SIZES, Timing, benchmark
from cifar_mlp.views import Views

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
CARD = Path(__file__).resolve().parent.parent / "configs" / "report" / "q4_best.yaml"


def parity(options: argparse.Namespace) -> int:
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
        write_json(document, options.output / "benchmark.json")
        about = [f"- {key}: {value}" for key, value in surroundings.items()]
        text = [
            "# Speed of the gradients by hand",
            "",
            *markdown_table(COLUMNS, rows),
            "",
            *absent,
            "",
            *about,
            "",
        ]
        write_whole("\n".join(text), options.output / "benchmark.md")
        print(f"written: {options.output}")
    return 0


def views(options: argparse.Namespace) -> int:
    """Train once, and say what share of the time each of TensorBoard's views took."""
    stopwatch, make = Stopwatch(), Views.callbacks
    Views.callbacks = lambda self: [stopwatch.watch(view) for view in make(self)]  # type: ignore[method-assign]
    try:
        trainer = run(["fit", *options.fit]).trainer
    finally:
        Views.callbacks = make  # type: ignore[method-assign]
    whole = json.loads((Path(trainer.log_dir) / "provenance.json").read_text())["fit_seconds"]
    table = Table("view", "seconds", "% of the fit", title=f"What the views cost in a fit of {whole:.1f} s")
    spent = sorted(stopwatch.seconds.items(), key=lambda item: -item[1])
    for name, seconds in [*spent, ("all", sum(stopwatch.seconds.values()))]:
        table.add_row(name, f"{seconds:.2f}", f"{100 * seconds / whole:.1f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
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


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = OneLineParser(prog="benchmark.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    jobs = root.add_subparsers(dest="job", required=True)
    job = jobs.add_parser("parity", help="gradients by hand against autograd against NumPy")
    job.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, metavar="D-H-C[:N]")
    job.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    job.add_argument("--rounds", type=int, default=20)
    job.add_argument("--seed", type=int, default=0)
    job.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    job.add_argument("--output", type=Path, metavar="DIR", help="for benchmark.json and benchmark.md")
    job.set_defaults(run=parity)
    job = jobs.add_parser("train", help="images a second of this package and of others")
    job.add_argument("--output", type=Path, metavar="DIR", help="for benchmark.json, benchmark.md and train.png")
    train_job.add_options(job)
    job.set_defaults(run=train_job.run, card=CARD)
    job = jobs.add_parser("views", help="what TensorBoard's views cost; takes the options of cifar-mlp fit")
    job.set_defaults(run=views)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; a bad option is one line and exit code 2, a disagreement 1."""
    options, fit = parser().parse_known_args(arguments)
    if fit and options.job != "views":
        parser().error(f"unrecognized arguments: {' '.join(fit)}")
    options.fit = fit
    try:
        code: int = options.run(options)
    except (ValueError, OSError) as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
