"""``cifar-mlp seeds`` and ``cifar-mlp cv``: one network trained several times."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.results import Row
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.reproduction.pool import run_all
from cifar_mlp.reproduction.store import Store
from cifar_mlp.studies.outcome import write_outcome
from cifar_mlp.studies.study import FOLDS, SEEDS, StudyPlan, plan

PROGRAM = [sys.executable, "-m", "cifar_mlp.cli.fit_and_test"]
ABOUT = {
    SEEDS: "Train one network with several seeds.\n\ncifar-mlp seeds --seeds 5 --config q4_best",
    FOLDS: "Cross-validation: each image is held out once.\n\ncifar-mlp cv --folds 5 --config q4_best",
}
RESUMES = "All further options are those of cifar-mlp fit. Interrupted, the same command resumes; nothing runs twice."


def parser(kind: str) -> OneLineParser:
    """The command line."""
    made = OneLineParser(prog=f"cifar-mlp {kind}", description=f"{ABOUT[kind]}\n\n{RESUMES}")
    what = "--seeds" if kind == SEEDS else "--folds"
    made.add_argument(what, dest="count", type=int, default=5, metavar="N", help="how many (default: 5)")
    made.add_argument("--config", action="append", default=[], metavar="CONFIG", help="as for cifar-mlp fit")
    made.add_argument("--jobs", type=int, metavar="N", help="runs at a time (default: one per CPU core)")
    made.add_argument(
        "--storage", metavar="WHERE",
        help="share the runs with other starts of this command, also on other machines: a journal file, or "
        "postgresql://USER:PASSWORD@HOST/DATABASE; --output must be a folder that all see",
    )  # fmt: skip
    made.add_argument("--output", type=Path, metavar="DIR", help=f"default: studies/CONFIG-{kind}")
    return made


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str], kind: str, program: Sequence[str] | None = None) -> None:
    """Run a study; a mistake is one line, exit code 1 or 2.

    Args:
        arguments: As typed after the command.
        kind: ``seeds`` or ``cv``.
        program: What runs one training instead of this package.
    """
    made = parser(kind)
    options, fit_options = made.parse_known_args(arguments)
    least = 1 if kind == SEEDS else 2
    if options.count < least:
        made.error(f"--{'seeds' if kind == SEEDS else 'folds'} must be at least {least}, not {options.count}")
    if options.jobs is not None and options.jobs < 1:
        made.error(f"--jobs must be at least 1, not {options.jobs}")
    if options.storage is not None and options.jobs is not None:
        made.error("--jobs cannot be given with --storage: each start is one more worker, start it once more")
    configs = [f"--config={config}" for config in options.config]
    name = Path(options.config[-1]).stem if options.config else "default"
    with errors_in_one_line():
        folder = options.output or Path("studies") / f"{name}-{kind}"
        study = plan(kind, options.count, [*configs, *fit_options], name, folder)
        study.require_possible()
        study.keep()
        console = Console(width=None if sys.stdout.isatty() else 140)
        rows = perform(study, options.jobs, program or PROGRAM, console, options.storage)
        console.print(write_outcome(study, rows))
        console.print(f"written: table.md, predictions, confusion.png and ensemble.ckpt in {folder}", highlight=False)


def perform(
    study: StudyPlan, jobs: int | None, program: Sequence[str], console: Console, storage: str | None = None
) -> list[Row]:
    """Run what is missing, alone or shared; the rows of all runs, in order.

    Raises:
        ValueError: If a run failed.
    """
    store = Store(study.folder, study.folder)
    missing = store.missing(study.planned)
    done = len(study.planned) - len(missing)
    console.print(f"{len(study.planned)} runs wanted, {done} of them done: {study.folder}", highlight=False)
    if missing:
        if storage is None:
            failed = run_all(missing, store, program, jobs, console, resume=True)
        else:
            try:
                from cifar_mlp.studies.shared import work_on
            except ModuleNotFoundError as error:
                raise ValueError("--storage needs Optuna: pip install 'cifar-mlp[sweep]'") from error
            failed = work_on(study, store, storage, program, console)
        if failed:
            which, log = ", ".join(map(study.label, failed)), "log.txt" if storage is None else "output.txt"
            raise ValueError(f"no result: {which}; see {log} there")
    rows = store.current()["runs"]
    return [
        next(row for row in planned.variant.rows_in(rows) if row["seed"] == planned.seed) for planned in study.planned
    ]


seeds = partial(main, kind=SEEDS)
cross_validation = partial(main, kind=FOLDS)
