"""Benchmark rounds: in each, everything is measured once, one after another."""

import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import fmean
from typing import TypeVar

from cifar_mlp.benchmarks.agreement import Agreement, compare
from cifar_mlp.benchmarks.epochs import Epoch
from cifar_mlp.benchmarks.implementations import TimedRun
from cifar_mlp.benchmarks.timed_process import TimedProcess

SECONDS_A_ROUND, MOST_EPOCHS = 2.0, 8
"""Short epochs are repeated within a round, and the first does not count: after the others have run, caches and
threads are cold, which in real training happens once and not at every epoch."""

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


@dataclass(frozen=True)
class RunResult:
    """The epochs of one run, one a round, and how it compared with the plain loop."""

    run: TimedRun
    epochs: list[Epoch]
    agreement: Agreement | None

    @property
    def seconds(self) -> list[float]:
        """Training seconds of an epoch, by round."""
        return [epoch.seconds for epoch in self.epochs]


def interleaved(measure: Mapping[Key, Callable[[], Result]], rounds: int) -> Iterator[dict[Key, list[Result]]]:
    """Call every function once a round; each round starts with another one, so that drift hits all alike.

    Yields:
        All results so far, after each complete round.
    """
    results: dict[Key, list[Result]] = {key: [] for key in measure}
    order = deque(measure)
    started = time.monotonic()
    for number in range(rounds):
        show_progress(f"round {number + 1} of {rounds}{_left(started, number, rounds)}")
        for key, result in [(key, measure[key]()) for key in order]:
            results[key].append(result)
        order.rotate(-1)
        yield results


def run_rounds(runs: Sequence[TimedRun], rounds: int) -> Iterator[list[RunResult]]:
    """Start every run, train its first epochs, check that all agree, then time them in rounds; one works at a time.

    Yields:
        The results so far, after each complete round.

    Raises:
        RuntimeError: If a run fails or disagrees with the plain loop.
    """
    with ExitStack() as stack:
        processes, measure, seconds_a_round = [], {}, 0.0
        began = time.monotonic()
        for number, run in enumerate(runs):
            left = _left(began, number, len(runs))
            show_progress(f"{run.label}: starting, first epochs ({number + 1} of {len(runs)}{left})")
            process = stack.enter_context(closing(TimedProcess(run, rounds * MOST_EPOCHS + 2)))
            processes.append(process)
            process.epoch()  # cold: compared, but not timed
            started = time.perf_counter()
            repeats = max(1, min(MOST_EPOCHS, round(SECONDS_A_ROUND / max(process.epoch().seconds, 1e-9))))
            seconds_a_round += repeats * (time.perf_counter() - started)
            measure[run] = partial(_warm_epoch, process, repeats)
        agreements = _compare_all(processes)
        show_progress(f"{rounds} rounds of about {seconds_a_round:.0f} s each")
        for epochs in interleaved(measure, rounds):
            yield [RunResult(run, epochs[run], agreements[run]) for run in runs]


def _left(began: float, done: int, wanted: int) -> str:
    """How long the others will take."""
    return f", about {(time.monotonic() - began) / done * (wanted - done):.0f} s left" if done else ""


def mean_epoch(epochs: Sequence[Epoch]) -> Epoch:
    """Mean seconds, also of what is timed separately, which need not happen in every epoch."""
    names = sorted({name for epoch in epochs for name in epoch.other_seconds})
    other_seconds = {name: fmean(epoch.other_seconds.get(name, 0.0) for epoch in epochs) for name in names}
    return Epoch(fmean(epoch.seconds for epoch in epochs), other_seconds)


def show_progress(step: str) -> None:
    """A line on standard error, with the time."""
    print(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {step}", file=sys.stderr, flush=True)


def _warm_epoch(process: TimedProcess, repeats: int) -> Epoch:
    epochs = [process.epoch() for _ in range(repeats)]
    return mean_epoch(epochs[1:] or epochs)


def _compare_all(processes: Sequence[TimedProcess]) -> dict[TimedRun, Agreement | None]:
    plain = {one.run.problem: one.snapshots for one in processes if one.run.implementation.name == "plain"}
    return {
        one.run: compare(one.run, one.snapshots, plain[one.run.problem])
        if one.run.implementation.trains and one.run.problem in plain else None
        for one in processes
    }  # fmt: skip
