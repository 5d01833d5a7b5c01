"""A harness in a process of its own, whose turns are called from here."""

import fcntl
import multiprocessing
import os
import signal
import struct
import sys
import termios
import threading
import traceback
from collections import deque
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from cifar_mlp.benchmarks.harnesses import Runner
from cifar_mlp.benchmarks.laps import Lap, Laps, Seen

PROCESSES = multiprocessing.get_context("forkserver")  # which imports PyTorch once for all
PROCESSES.set_forkserver_preload([__name__])


class Worker:
    """Starts the process and takes it to its first turn.

    The process writes to a terminal of its own, so that a progress bar is drawn as its user would see it; what it
    writes goes nowhere.

    Args:
        runner: The harness, and what it trains.
        laps: How many will be asked for at most.

    Raises:
        RuntimeError: If the harness fails.
    """

    def __init__(self, runner: Runner, laps: int) -> None:
        self.runner = runner
        laps += 1  # what a harness does at its end is nobody's to wait for: it is stopped before
        self.seen: dict[str, Seen] = {}
        self._wire, theirs = PROCESSES.Pipe()
        fresh = replace(runner, problem=replace(runner.problem))  # without what has been loaded here
        self._process = PROCESSES.Process(target=_work, args=(fresh, laps, theirs))
        self._process.start()
        theirs.close()
        self._last_words: deque[bytes] = deque(maxlen=20)
        try:
            threading.Thread(target=self._read_terminal, args=(recv_handle(self._wire),), daemon=True).start()
            self._next(str)
        except BaseException:
            self.stop()
            raise

    def lap(self) -> Lap:
        """Let it train an epoch while nobody else does, and come to rest again."""
        self._wire.send("go")
        lap: Lap = self._next(Lap)
        self._next(str)
        return lap

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self._wire.close()
        for end in (lambda: None, self._process.terminate, self._process.kill):
            end()
            self._process.join(timeout=5)
            if not self._process.is_alive():
                return

    def _next(self, kind: type) -> Any:
        while True:
            try:
                message = self._wire.recv()
            except (EOFError, ConnectionResetError) as error:
                said = b"".join(self._last_words).decode(errors="replace")[-300:]
                raise RuntimeError(f"{self.runner.label} ended without a word: {said}") from error
            if isinstance(message, Seen):
                self.seen[message.moment] = message
            elif isinstance(message, Exception):
                raise RuntimeError(f"{self.runner.label}: {message}")
            else:
                assert isinstance(message, kind), message
                return message

    def _read_terminal(self, terminal: int) -> None:
        with os.fdopen(terminal, "rb", buffering=0) as screen:
            try:
                while text := screen.read(65536):
                    self._last_words.append(text)
            except OSError:  # nobody writes any more
                pass


def _work(runner: Runner, laps: int, wire: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; whoever called the turns ends this process
    _write_to_a_terminal(wire)
    torch.set_num_threads(runner.problem.threads)
    try:
        with threadpool_limits(runner.problem.threads):  # NumPy's and SciPy's
            runner.entry.run(runner.problem, Laps(runner.problem, laps, wire))
    except (EOFError, BrokenPipeError):
        sys.exit(1)  # whoever called the turns is gone
    except Exception as error:
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        wire.send(RuntimeError(f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})"))


def _write_to_a_terminal(wire: Connection) -> None:
    os.environ["TERM"] = "xterm-256color"
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    for standard in (1, 2):
        os.dup2(theirs, standard)
    send_handle(wire, ours, os.getppid())
    os.close(ours)
    os.close(theirs)
