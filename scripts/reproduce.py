#!/usr/bin/env python
"""Run every experiment of the report over several seeds, judge its figures and statements, and write it all up.

python scripts/reproduce.py                         questions 1 to 4, five seeds
python scripts/reproduce.py --quick                 the same way in three minutes: one seed, one epoch
python scripts/reproduce.py --only q3,q4_best       questions, configs or studies
python scripts/reproduce.py --studies               also the side studies behind the report's statements

Interrupted, it continues where it stopped when started again.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.provenance import provenance
from cifar_mlp.common.results import load_rows
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.data.cifar import Part
from cifar_mlp.data.sources import SOURCES
from cifar_mlp.parity.evidence.toy_figures import toy_figures
from cifar_mlp.reports.render import documents
from cifar_mlp.reproduction.plan import SEEDS, STUDY_SEEDS, Planned, chosen, over_seeds, require_validation
from cifar_mlp.reproduction.pool import run_all
from cifar_mlp.reproduction.publish import publish
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.write_up import write_report

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs" / "report"


def parser() -> OneLineParser:
    """The command line."""
    made = OneLineParser(prog="reproduce.py", description=__doc__)
    made.add_argument("--seeds", type=int, metavar="N", help=f"seeds (default: {SEEDS}; studies {STUDY_SEEDS})")
    made.add_argument("--only", metavar="NAMES", help="questions, configs or studies, with commas between: q3,q4_best")
    made.add_argument("--studies", action="store_true", help="the side studies too")
    made.add_argument("--quick", action="store_true", help="one seed, one epoch each: shows that everything works")
    made.add_argument("--output", type=Path, metavar="DIR", help="default: reproduction, or reproduction_quick")
    made.add_argument("--jobs", type=int, metavar="N", help="runs at a time (default: one per CPU core)")
    made.add_argument("--report-only", action="store_true", help="run nothing; write up the finished runs")
    made.add_argument("--publish", action="store_true", help="write the outcome into docs/, README.md and the configs")
    return made


def planned_runs(options: argparse.Namespace) -> tuple[list[Planned], bool]:
    """The requested runs, and whether the toy is requested."""
    only = None if options.only is None else [name for name in options.only.split(",") if name]
    if options.studies and only is not None:
        only.append("studies")
    of_report, of_studies, toy = chosen(only)
    if options.studies and only is None:
        of_studies = chosen(["studies"])[1]
    seeds, study_seeds = (1, 1) if options.quick else (options.seeds or SEEDS, options.seeds or STUDY_SEEDS)
    return list(dict.fromkeys(over_seeds(of_report, seeds) + over_seeds(of_studies, study_seeds))), toy


def toy_results() -> dict[str, Any]:
    """Every figure of the toy beside the report's, the 100 losses of Figure 1, and where they were computed."""
    figures, losses = toy_figures()
    found = [{**figure._asdict(), "prints_the_same": figure.prints_the_same} for figure in figures]
    return {"figures": found, "losses": losses, "provenance": provenance(torch.device("cpu"))}


def run(options: argparse.Namespace, program: Sequence[str], console: Console) -> int:
    """Run, write up, publish; returns 1 if a run fails."""
    wanted, toy = planned_runs(options)
    store = Store(
        options.output or Path("reproduction_quick" if options.quick else "reproduction"), CONFIGS, options.quick
    )
    if toy:
        store.set("toy", toy_results())
    failures = [] if options.report_only else perform(wanted, store, options.jobs, program, console)
    pictures = write_report(store)
    console.print(f"written: {store.folder / 'report.md'} and report.html", highlight=False, soft_wrap=True)
    if options.publish:
        publish(store, pictures, ROOT / "docs")
        for path, text in documents(ROOT).items():
            write_whole(text, path)
        console.print("published: docs/results.json, docs/results/, and the texts rendered from them", highlight=False)
    for planned in failures:
        print(f"reproduce.py: no result: {planned.name}", file=sys.stderr)
    return 1 if failures else 0


def perform(
    wanted: Sequence[Planned], store: Store, jobs: int | None, program: Sequence[str], console: Console
) -> list[Planned]:
    """Run what is missing; returns what failed."""
    require_validation(wanted, CONFIGS)
    missing = store.missing(wanted)
    console.print(f"{len(wanted)} runs wanted, {len(wanted) - len(missing)} of them done: {store.folder}")
    if not missing:
        return []
    for part in get_args(Part):  # missing data is reported before anything starts
        SOURCES["cifar10"].prepare(None, part)
    first_of = {planned.variant: planned for planned in reversed(wanted)}

    def keeps(planned: Planned) -> bool:
        """Pictures need one seed's checkpoint of each of the report's configs."""
        return first_of[planned.variant] == planned and not planned.variant.options

    return run_all(missing, store, program, jobs, console, load_rows(ROOT / "docs" / "results.json"), keeps)


def stop_once() -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP stop the trainings and end the script, and ignore all further ones."""
    first = iter([KeyboardInterrupt])

    def stop(number: int, frame: object) -> None:
        for error in first:
            raise error

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)


def main(arguments: Sequence[str] | None = None, program: Sequence[str] | None = None) -> int:
    """Reproduce; a mistake is one line and exit code 2, an interruption exit code 130.

    Args:
        arguments: Of the command line.
        program: What runs one training instead of scripts/fit_and_test.py.
    """
    made = parser()
    options = made.parse_args(arguments)
    for name in ("seeds", "jobs"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            made.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.quick and options.seeds is not None:
        made.error("--quick means one seed: drop --seeds")
    stop_once()
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        return run(options, program or [sys.executable, str(ROOT / "scripts" / "fit_and_test.py")], console)
    except KeyboardInterrupt:
        print("reproduce.py: interrupted; the same command continues from here", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        if os.environ.get("CIFAR_MLP_DEBUG"):
            raise
        made.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
