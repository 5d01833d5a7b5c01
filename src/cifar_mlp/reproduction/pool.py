"""All planned trainings, several at a time, with progress and the time left."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from cifar_mlp.common.results import Row
from cifar_mlp.reproduction.plan import QUICK, Planned
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.training import Training

AROUND = 14.0  # seconds of a run outside its epochs: start, features, two tests; measured


def run_all(
    wanted: Sequence[Planned],
    store: Store,
    program: Sequence[str],
    jobs: int,
    threads: int,
    keeps_checkpoint: Callable[[Planned], bool],
    timer: "Timer",
    console: Console,
) -> list[Planned]:
    """Train what is wanted and store each result as it ends; returns the runs that failed.

    However this ends, it leaves no process behind.

    Args:
        wanted: Runs that the store lacks.
        store: Where results go.
        program: Takes the options of ``cifar-mlp fit``.
        jobs: Runs at a time.
        threads: Threads of each.
        keeps_checkpoint: Whether a run's last checkpoint is kept.
        timer: Estimates the time left.
        console: Shows progress.
    """
    failures: list[Planned] = []
    with store.locked() as lock, Bar(len(wanted), timer, console) as bar, ThreadPoolExecutor(jobs) as executor:
        trainings = [Training(planned, store) for planned in wanted]

        def train(training: Training) -> Row | None:
            keep = keeps_checkpoint(training.planned)
            row = training.result(keep)  # a killed reproduction may have left a finished run
            if row is None:
                bar.say(f"{training.planned.name}: started")
                training.run(program, threads, lock)
                row = training.result(keep)
            return row

        futures: dict[Future[Row | None], Training] = {executor.submit(train, each): each for each in trainings}
        try:
            for future in as_completed(futures):
                training, row = futures[future], future.result()
                if row is None:
                    failures.append(training.planned)
                    bar.ended(
                        training.planned, f"FAILED  {training.planned.name}: {training.problem()}  ({training.log})"
                    )
                else:
                    store.add(row)
                    timer.took(training.planned, row["wall_seconds"])
                    bar.ended(training.planned, summary(training.planned, row))
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for training in trainings:
                training.stop()
            raise
    return failures


def summary(planned: Planned, row: Row) -> str:
    """One line about a finished run."""
    last = row["last"]
    report = last.get("test/accuracy_first_1000", last["test/accuracy"])
    return (
        f"{planned.name}  validation {100 * last['val/accuracy']:.1f} %  test {100 * report:.1f} % (first 1,000), "
        f"{100 * last['test/accuracy']:.1f} % (all)  {in_words(row['wall_seconds'])}"
    )


class Timer:
    """Estimates how long runs take, from what runs took before; corrected by those of this session.

    Args:
        wanted: Runs to do.
        known: Rows of earlier runs, on this machine or another.
        jobs: Runs at a time.
    """

    def __init__(self, wanted: Sequence[Planned], known: Sequence[Row], jobs: int) -> None:
        self.jobs = jobs
        self._expected = {planned: expected_seconds(planned, known) for planned in wanted}
        self._left, self._spent, self._foreseen = set(wanted), 0.0, 0.0

    def took(self, planned: Planned, seconds: float) -> None:
        """Learn from a run of this session."""
        self._spent, self._foreseen = self._spent + seconds, self._foreseen + self._expected[planned]

    def ended(self, planned: Planned) -> None:
        """A run is done, or failed."""
        self._left.discard(planned)

    def left(self) -> float:
        """Seconds until all are done."""
        correction = self._spent / self._foreseen if self._foreseen else 1.0
        return sum(self._expected[planned] for planned in self._left) * correction / self.jobs


def expected_seconds(planned: Planned, known: Sequence[Row]) -> float:
    """What runs with the same settings took, else the median of all; a quick run takes one of their epochs."""
    options = list(planned.variant.options)
    quick = tuple(options[-len(QUICK) :]) == QUICK
    full = options[: -len(QUICK)] if quick else options
    timed = [row for row in known if "wall_seconds" in row]
    same = [row for row in timed if (row["config"], row.get("options", [])) == (planned.variant.config, options)]
    alike = [row for row in timed if (row["config"], row.get("options", [])) == (planned.variant.config, full)]
    chosen = same or alike or timed
    if not chosen:
        return 60.0
    seconds = statistics.median(row["wall_seconds"] for row in chosen)
    if not quick or same:
        return seconds
    return AROUND + max(0.0, seconds - AROUND) / statistics.median(row["last"]["epoch"] for row in chosen)


class Bar:
    """A progress bar on a terminal; lines in a file."""

    def __init__(self, total: int, timer: Timer, console: Console) -> None:
        self.total, self.timer, self.console, self._done = total, timer, console, 0
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.completed}/{task.total} runs"), BarColumn(24), TextColumn("{task.fields[words]}"),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("runs", total=total, words=self._words())

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _words(self) -> str:
        left = f", about {in_words(self.timer.left())} left" if self._done < self.total else ""
        return f"{in_words(time.monotonic() - self._began)}{left}"

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def ended(self, planned: Planned, line: str) -> None:
        """Count a run and print its line."""
        self._done += 1
        self.timer.ended(planned)
        self._progress.update(self._task, completed=self._done, words=self._words())
        self.say(f"{self._done}/{self.total}  {line}, {self._words()}")


def in_words(seconds: float) -> str:
    """``50 s``, ``12 min``, ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
