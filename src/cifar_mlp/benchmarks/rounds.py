"""Benchmark rounds: in each, every implementation trains alone for a while."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from cifar_mlp.benchmarks.agreement import Agreement, compare
from cifar_mlp.benchmarks.epochs import Epoch
from cifar_mlp.benchmarks.implementations import TimedRun
from cifar_mlp.benchmarks.timed_process import TimedProcess

SECONDS_A_ROUND, MOST_EPOCHS = 2.0, 8
"""Short epochs are repeated within a round, and the first does not count: after the others have run, caches and
threads are cold, which in real training happens once and not at every epoch."""


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


def run_rounds(runs: Sequence[TimedRun], rounds: int) -> Iterator[list[RunResult]]:
    """Start every run, train its first epochs, check that all agree, then time them in rounds.

    Only one run works at a time, and every round starts with another one.

    Yields:
        The results so far, after each complete round.

    Raises:
        ValueError: If there are no rounds.
        RuntimeError: If a run fails or disagrees with the plain loop.
    """
    if rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {rounds}")
    with ExitStack() as stack:
        processes, repeats, seconds_a_round = [], [], 0.0
        for run in runs:
            show_progress(f"{run.label}: starting, first epochs")
            process = stack.enter_context(closing(TimedProcess(run, rounds * MOST_EPOCHS + 2)))
            processes.append(process)
            process.epoch()  # cold: compared, but not timed
            started = time.perf_counter()
            repeats.append(max(1, min(MOST_EPOCHS, round(SECONDS_A_ROUND / max(process.epoch().seconds, 1e-9)))))
            seconds_a_round += repeats[-1] * (time.perf_counter() - started)
        results = list(_compared(processes))
        show_progress(f"{rounds} rounds of about {seconds_a_round:.0f} s each")
        order = deque(range(len(processes)))
        for number in range(rounds):
            show_progress(f"round {number + 1} of {rounds}")
            timed = {index: mean_epoch([processes[index].epoch() for _ in range(repeats[index])]) for index in order}
            for index, epoch in timed.items():
                results[index].epochs.append(epoch)
            order.rotate(-1)
            yield results


def mean_epoch(epochs: Sequence[Epoch]) -> Epoch:
    """The mean epoch of a round; the first does not count if there are more."""
    counted = epochs[1:] or epochs
    names = {name for epoch in counted for name in epoch.other_seconds}
    other_seconds = {name: fmean(epoch.other_seconds.get(name, 0.0) for epoch in counted) for name in names}
    return Epoch(fmean(epoch.seconds for epoch in counted), other_seconds)


def show_progress(step: str) -> None:
    """A line on standard error, with the time."""
    print(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {step}", file=sys.stderr, flush=True)


def _compared(processes: Sequence[TimedProcess]) -> Iterator[RunResult]:
    plain = {process.run.problem: process for process in processes if process.run.implementation.name == "plain"}
    for process in processes:
        reference = plain.get(process.run.problem)
        if reference is None or not process.run.implementation.trains:
            yield RunResult(process.run, [], None)
        else:
            yield RunResult(process.run, [], compare(process.run, process.snapshots, reference.snapshots))
