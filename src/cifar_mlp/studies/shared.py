"""A study whose runs are shared by several processes or machines: the sweep's workers, with a run for each slot."""

from collections.abc import Callable, Sequence

import optuna
from optuna.pruners import NopPruner
from optuna.trial import Trial
from rich.console import Console

from cifar_mlp.common.results import Row, config_fingerprint
from cifar_mlp.reproduction.plan import Planned
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.training import Training
from cifar_mlp.studies.study import SEEDS, StudyPlan
from cifar_mlp.sweep.process import Outcome, run_fit
from cifar_mlp.sweep.storage import open_storage, open_study
from cifar_mlp.sweep.worker import Search, work

MONITOR = "val/accuracy"


def work_on(study: StudyPlan, store: Store, where: str, program: Sequence[str], console: Console) -> list[Planned]:
    """Run what no other worker runs, until all runs have ended; returns those that failed.

    A worker that died is replaced by another, which continues with its run. All workers must see the study's folder.

    Args:
        study: What runs.
        store: Gets the results.
        where: Journal file or PostgreSQL URL.
        program: Takes the options of ``cifar-mlp fit``, and tests.
        console: Where to say which run starts and ends.

    Raises:
        ValueError: If the storage cannot be opened, or holds a study of other settings.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    runs = store.folder / "runs"
    trainings = [Training(planned, store.configs, runs, False, resume=True) for planned in study.planned]
    folds = "" if study.kind == SEEDS else f", {len(study.planned)} folds"
    name = f"{study.kind} of {trainings[0].source.stem}{folds}"
    shared = open_study(open_storage(where), name, config_fingerprint(trainings[0].source), NopPruner())

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    def train(trial: Trial, slot: int, go_on: Callable[[int, float], bool], alive: Callable[[], None]) -> Outcome:
        training, label = trainings[slot], study.label(trainings[slot].planned)
        row = training.result(keep_checkpoint=True)
        if row is None:
            say(f"{label}: started")
            outcome = run_fit(training.begin(), training.folder, go_on, alive, program=program)
            row = training.result(keep_checkpoint=True)
            if row is None:
                reason = outcome.reason or "it left no results"
                say(f"FAILED  {label}: {reason}")
                return outcome._replace(reason=reason)
            say(f"{label}: validation {100 * row['last'][MONITOR]:.1f} %")
        return Outcome([row["last"][MONITOR]], False, None)

    work(Search(shared, len(trainings), train, runs))
    rows = {training.planned: training.result(keep_checkpoint=True) for training in trainings}
    add(store, [row for row in rows.values() if row is not None])
    return [planned for planned, row in rows.items() if row is None]


def add(store: Store, rows: Sequence[Row]) -> None:
    """Add rows to the store; every worker adds all, one after the other."""
    with store.locked(wait=True):
        for row in rows:
            store.add(row)
