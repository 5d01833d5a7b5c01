"""All planned trainings, several at a time, with progress and the time left."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from cifar_mlp.common.durations import in_words
from cifar_mlp.common.parallel_runs import default_jobs, threads_of
from cifar_mlp.common.results import Row
from cifar_mlp.reproduction.plan import Planned
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.training import Training

SECONDS_BETWEEN_LOOKS = 0.2
AROUND = 14.0  # seconds of a run outside its epochs: start, features, two tests; measured


class Bar:
    """A progress bar on a terminal, lines elsewhere; estimates the time left.

    Args:
        expected: Seconds that each run is expected to take; corrected by what runs take now.
        jobs: Runs at a time.
        console: Where to print.
    """

    def __init__(self, expected: Mapping[Planned, float], jobs: int, console: Console) -> None:
        self.expected, self.jobs, self.console = expected, jobs, console
        self._waiting, self._spent, self._foreseen = set(expected), 0.0, 0.0
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.completed}/{task.total} runs"), BarColumn(24), TextColumn("{task.description}"),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task(self._words(), total=len(expected))

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def left(self) -> float:
        """Seconds until all runs are done."""
        correction = self._spent / self._foreseen if self._foreseen else 1.0
        return sum(self.expected[planned] for planned in self._waiting) * correction / self.jobs

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def ended(self, planned: Planned, line: str, seconds: float | None) -> None:
        """Count a run and print its line; a failed one has no ``seconds``."""
        self._waiting.discard(planned)
        if seconds is not None:
            self._spent, self._foreseen = self._spent + seconds, self._foreseen + self.expected[planned]
        done, words = len(self.expected) - len(self._waiting), self._words()
        self._progress.update(self._task, completed=done, description=words)
        self.say(f"{done}/{len(self.expected)}  {line}, {words}")

    def _words(self) -> str:
        left = f", about {in_words(self.left())} left" if self._waiting else ""
        return in_words(time.monotonic() - self._began) + left


def run_all(
    missing: Sequence[Planned],
    store: Store,
    program: Sequence[str],
    jobs: int | None,
    console: Console,
    earlier: Sequence[Row] = (),
    keeps_checkpoint: Callable[[Planned], bool] = lambda planned: True,
    resume: bool = False,
) -> list[Planned]:
    """Train and store each result as it ends, with progress and the time left; returns the runs that failed.

    However this ends, it leaves no process behind.

    Args:
        missing: The runs, at least one.
        store: Where results go.
        program: Takes the options of ``cifar-mlp fit``.
        jobs: Runs at a time; ``None`` for as many as this machine bears.
        console: Where to print.
        earlier: Runs by which the time is estimated, beside those in the store.
        keeps_checkpoint: Whether a run's last checkpoint is kept.
        resume: Whether an interrupted run continues from its checkpoint, or starts from scratch.
    """
    jobs = min(jobs or default_jobs(), len(missing))
    threads, known = threads_of(jobs), [*earlier, *store.document()["runs"]]
    bar = Bar({planned: expected_seconds(planned, known, store.quick) for planned in missing}, jobs, console)
    if known:
        console.print(
            f"about {in_words(bar.left())} for {len(missing)} runs, {jobs} at a time, {threads} thread"
            f"{'s' if threads > 1 else ''} each; estimated from earlier runs"
        )
    failures: list[Planned] = []
    runs = store.folder / "runs"
    waiting = [Training(planned, store.configs, runs, store.quick, resume) for planned in missing]
    running: list[Training] = []
    with store.locked() as lock, bar:
        try:
            while waiting or running:
                while waiting and len(running) < bar.jobs:
                    running.append(waiting.pop(0))
                    if not running[-1].is_done():  # a killed reproduction may have left a finished run
                        bar.say(f"{running[-1].planned.name}: started")
                        running[-1].start(program, threads, lock)
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for training in [one for one in running if one.has_ended()]:
                    training.stop()
                    running.remove(training)
                    name, row = training.planned.name, training.result(keeps_checkpoint(training.planned))
                    if row is None:
                        failures.append(training.planned)
                        bar.ended(training.planned, f"FAILED  {name}: {training.problem()}  ({training.log})", None)
                    else:
                        store.add(row)
                        bar.ended(training.planned, f"{name}  {summary(row)}", row["wall_seconds"])
        finally:
            for training in running:
                training.stop()
    return failures


def summary(row: Row) -> str:
    """One line about a finished run."""
    last = row["last"]
    report = last.get("test/accuracy_first_1000", last["test/accuracy"])
    return (
        f"validation {100 * last['val/accuracy']:.1f} %  test {100 * report:.1f} % (first 1,000), "
        f"{100 * last['test/accuracy']:.1f} % (all)  {in_words(row['wall_seconds'])}"
    )


def expected_seconds(planned: Planned, known: Sequence[Row], quick: bool) -> float:
    """What runs of the same settings took, else the median of all; a quick run takes one of their epochs."""
    timed = [row for row in known if "wall_seconds" in row]
    alike = planned.variant.rows_in(timed) or timed
    if not alike:
        return 60.0
    if not quick:
        return statistics.median(row["wall_seconds"] for row in alike)
    return AROUND + statistics.median(max(0.0, row["wall_seconds"] - AROUND) / row["last"]["epoch"] for row in alike)
