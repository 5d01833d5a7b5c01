"""An implementation in its own process, which trains an epoch when it is told to."""

import os
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from cifar_mlp.benchmarks.epochs import Epoch, EpochTimer, Snapshot
from cifar_mlp.benchmarks.fresh_process import FreshProcess
from cifar_mlp.benchmarks.implementations import TimedRun


class TimedProcess(FreshProcess):
    """Starts the process and waits until it is ready for its first epoch.

    The process writes to a new terminal, so that progress bars are drawn as for a user; the output is discarded.

    Args:
        run: The implementation, and what it trains.
        epochs: The most that will be requested.

    Raises:
        RuntimeError: If the implementation fails.
    """

    def __init__(self, run: TimedRun, epochs: int) -> None:
        self.run = run
        self.snapshots: dict[str, Snapshot] = {}
        terminal, their_terminal = os.openpty()
        threading.Thread(target=_discard_output, args=(terminal,), daemon=True).start()
        try:
            # One epoch more than requested: the process is stopped before whatever it does at its end.
            super().__init__(run.label, _train, run, epochs + 1, os.ttyname(their_terminal))
            self.receive()
        finally:
            os.close(their_terminal)  # the process has opened it by now

    def epoch(self) -> Epoch:
        """Train an epoch, and return when the process is ready for the next."""
        self.send("go")
        epoch: Epoch = self.receive()
        self.receive()
        return epoch

    def receive(self) -> Any:
        """What comes next, beside snapshots, which are kept; a process that fails is ended."""
        try:
            while isinstance(message := super().receive(), Snapshot):
                self.snapshots[message.moment] = message
        except BaseException:
            self.close()
            raise
        return message


def _discard_output(terminal: int) -> None:
    with suppress(OSError):  # the process has closed its side
        while os.read(terminal, 65536):
            pass
    os.close(terminal)


def _train(channel: Connection, run: TimedRun, epochs: int, terminal: str) -> None:
    os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="24")
    screen = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    for standard in (1, 2):
        os.dup2(screen, standard)
    os.close(screen)
    torch.set_num_threads(run.problem.threads)
    with threadpool_limits(run.problem.threads):  # for NumPy and SciPy
        run.implementation.train(run.problem, EpochTimer(run.problem, epochs, channel))
