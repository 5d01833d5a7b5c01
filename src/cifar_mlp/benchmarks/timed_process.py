"""An implementation in its own process, which trains an epoch when it is told to."""

import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from cifar_mlp.benchmarks.epochs import Epoch, EpochTimer, Snapshot
from cifar_mlp.benchmarks.implementations import TimedRun

PROCESSES = multiprocessing.get_context("forkserver")  # imports PyTorch once for all
PROCESSES.set_forkserver_preload([__name__])


class TimedProcess:
    """Starts the process and waits until it is ready for its first epoch.

    The process writes to a terminal of its own, so that progress bars are drawn as for a user; the output is discarded.

    Args:
        run: The implementation, and what it trains.
        epochs: The most that will be asked for.

    Raises:
        RuntimeError: If the implementation fails.
    """

    def __init__(self, run: TimedRun, epochs: int) -> None:
        self.run = run
        self.snapshots: dict[str, Snapshot] = {}
        self._channel, theirs = PROCESSES.Pipe()
        terminal, their_terminal = os.openpty()
        # One epoch more than asked for: the process is stopped before whatever it does at its end.
        arguments = (run, epochs + 1, theirs, os.ttyname(their_terminal))
        self._process = PROCESSES.Process(target=_work, args=arguments)
        self._process.start()
        theirs.close()
        threading.Thread(target=_discard_output, args=(terminal,), daemon=True).start()
        try:
            self._next(str)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(their_terminal)  # the process has opened it by now

    def epoch(self) -> Epoch:
        """Train an epoch, and return when the process is ready for the next."""
        self._channel.send("go")
        epoch: Epoch = self._next(Epoch)
        self._next(str)
        return epoch

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._channel.close()
        for end in (lambda: None, self._process.terminate, self._process.kill):
            end()
            self._process.join(timeout=5)
            if not self._process.is_alive():
                return

    def _next(self, kind: type) -> Any:
        while True:
            try:
                message = self._channel.recv()
            except (EOFError, ConnectionResetError) as error:
                self._process.join(timeout=5)
                code = self._process.exitcode
                raise RuntimeError(f"{self.run.label}: its process ended with exit code {code}") from error
            if isinstance(message, Snapshot):
                self.snapshots[message.moment] = message
            elif isinstance(message, Exception):
                raise RuntimeError(f"{self.run.label}: {message}")
            else:
                assert isinstance(message, kind), message
                return message


def _discard_output(terminal: int) -> None:
    with suppress(OSError):  # the process has closed its side
        while os.read(terminal, 65536):
            pass
    os.close(terminal)


def _work(run: TimedRun, epochs: int, channel: Connection, terminal: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the benchmark ends this one
    os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="24")
    screen = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    for standard in (1, 2):
        os.dup2(screen, standard)
    os.close(screen)
    torch.set_num_threads(run.problem.threads)
    try:
        with threadpool_limits(run.problem.threads):  # for NumPy and SciPy
            run.implementation.train(run.problem, EpochTimer(run.problem, epochs, channel))
    except (EOFError, BrokenPipeError):
        sys.exit(1)  # the benchmark has closed the channel
    except Exception as error:
        channel.send(RuntimeError(f"{type(error).__name__}: {error}"))
