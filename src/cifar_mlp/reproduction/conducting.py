"""All runs that are wanted, several at a time, beside whoever else is at work on them."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from cifar_mlp.common.results import Row
from cifar_mlp.reproduction.plan import Planned
from cifar_mlp.reproduction.running import Run
from cifar_mlp.reproduction.store import Store

POLL = 0.25  # seconds


class Progress(Protocol):
    """Who is told how things go."""

    def started(self, planned: Planned) -> None:
        """A run has begun."""

    def said(self, planned: Planned, line: str) -> None:
        """A run has printed a line."""

    def done(self, planned: Planned, row: Row, here: bool) -> None:
        """A run's row is in the store; ``here`` if this process ran it."""

    def failed(self, planned: Planned, problem: str) -> None:
        """A run has ended without a result."""

    def waiting(self, count: int) -> None:
        """Nothing is left but runs of other processes."""

    def tick(self) -> None:
        """Time has passed."""


class Conductor:
    """Starts runs, takes their results in.

    Args:
        store: Where results go.
        program: What takes the options of ``cifar-mlp fit``.
        jobs: Runs at a time.
        threads: Threads of each.
        keeps_checkpoint: Whether a run's last checkpoint is to be kept.
    """

    def __init__(
        self, store: Store, program: Sequence[str], jobs: int, threads: int, keeps_checkpoint: Callable[[Planned], bool]
    ) -> None:
        self.store, self.program, self.jobs, self.threads = store, program, jobs, threads
        self.keeps_checkpoint = keeps_checkpoint
        self._running: list[Run] = []

    def run_all(self, wanted: Sequence[Planned], progress: Progress) -> list[Planned]:
        """Run what the store lacks; returns those that failed.

        However this is left, no process of ours is left behind.
        """
        pending, failures = list(wanted), []
        try:
            while pending or self._running:
                self._start_some(pending, progress)
                if pending and not self._running:
                    progress.waiting(len(pending))
                time.sleep(POLL)
                progress.tick()
                for run in list(self._running):
                    for line in run.new_lines():
                        progress.said(run.planned, line)
                    if not run.ended():
                        continue
                    self._running.remove(run)
                    row = run.collect(self.keeps_checkpoint(run.planned))
                    run.release()
                    if row is None:
                        failures.append(run.planned)
                        progress.failed(run.planned, f"{run.problem()}  ({run.log})")
                    else:
                        progress.done(run.planned, row, here=True)
        finally:
            for run in self._running:
                run.stop()
                run.release()
            self._running.clear()
        return failures

    def _start_some(self, pending: list[Planned], progress: Progress) -> None:
        for planned in list(pending):
            run = Run(planned, self.store)
            if len(self._running) >= self.jobs:
                return
            if not run.acquire():
                continue
            # Only who holds the lock may ask, else another process could finish in between.
            row = self.store.find(planned) or run.collect(self.keeps_checkpoint(planned))
            pending.remove(planned)
            if row is not None:
                run.release()
                progress.done(planned, row, here=False)
                continue
            run.start(self.program, self.threads)
            self._running.append(run)
            progress.started(planned)
