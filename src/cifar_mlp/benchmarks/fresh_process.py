"""Run a function in a new process. Ctrl-C does not reach it: the benchmark ends it."""

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

PROCESSES = multiprocessing.get_context("forkserver")  # imports PyTorch once for all
PROCESSES.set_forkserver_preload(["cifar_mlp.benchmarks.implementations"])
STOPPING = {signal.SIGINT, signal.SIGTERM}


class FreshProcess:
    """Calls a module-level function in a new process; :meth:`close` ends it, whatever it is doing.

    Args:
        name: For error messages.
        function: Gets a connection to :attr:`channel`, then the arguments.
        arguments: Of any types that can be pickled.
    """

    def __init__(self, name: str, function: Callable[..., object], *arguments: Any) -> None:
        self.name = name
        self.channel, self._theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=_call, args=(function, self._theirs, arguments))
        resource_tracker.ensure_running()  # else the thread below would start it, and it unblocks signals
        # In a thread, because a signal can only interrupt the main one: an interrupted start
        # would leave a process that nobody ends and that prints a traceback when it finds its parent gone.
        self._starting = threading.Thread(target=self._start, daemon=True)
        try:
            self._starting.start()
            self._starting.join()
            self.send("begin")
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # for this thread, and the processes that it starts
        self._process.start()
        self._theirs.close()

    def send(self, message: Any) -> None:
        """Send to the function.

        Raises:
            RuntimeError: If its process has ended.
        """
        try:
            self.channel.send(message)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._ended() from error

    def receive(self) -> Any:
        """What the function sends next.

        Raises:
            RuntimeError: If it failed, or its process ended.
        """
        try:
            message = self.channel.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._ended() from error
        if isinstance(message, Exception):
            raise RuntimeError(f"{self.name}: {message}")
        return message

    def _ended(self) -> RuntimeError:
        self._process.join(timeout=5)
        if (code := self._process.exitcode) == -signal.SIGKILL:
            return RuntimeError(f"{self.name}: its process was killed: is there too little memory for all at once?")
        return RuntimeError(f"{self.name}: its process ended with exit code {code}")

    def close(self) -> None:
        """End the process."""
        self.channel.close()
        with suppress(RuntimeError):  # where a signal came before the thread ran: it cannot be joined
            self._starting.join(timeout=1)  # takes longer only before the first process runs; then none will start
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a module-level function in a fresh process, and return its result.

    Raises:
        RuntimeError: If it fails.
    """
    with closing(FreshProcess(function.__name__, _send_result, function, *arguments)) as process:
        return process.receive()


def _send_result(channel: Connection, function: Callable[..., Any], *arguments: Any) -> None:
    channel.send(function(*arguments))


def _call(function: Callable[..., object], channel: Connection, arguments: tuple[Any, ...]) -> None:
    try:
        channel.recv()  # fails if the benchmark was stopped meanwhile
        function(channel, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(1)  # the benchmark has closed the channel
    except Exception as error:
        with suppress(OSError):
            channel.send(RuntimeError(f"{type(error).__name__}: {error}"))
