"""A function in a process of its own, which no Ctrl-C reaches: whoever started the process ends it."""

import multiprocessing
import signal
import sys
from collections.abc import Callable
from contextlib import closing
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
        self.channel, theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=_call, args=(function, theirs, arguments))
        resource_tracker.ensure_running()  # unblocks signals when it starts, so it must not start below
        # Blocked while the process starts, and from then on in it. Interrupted in between, Python would leave a process
        # that nobody ends and that prints a traceback when it finds its parent gone.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            self._process.start()
        finally:
            theirs.close()
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # a signal that waited is raised here
            except BaseException:
                self.close()
                raise

    def receive(self) -> Any:
        """What the function sends next.

        Raises:
            RuntimeError: If it failed, or its process ended.
        """
        try:
            message = self.channel.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(timeout=5)
            raise RuntimeError(f"{self.name}: its process ended with exit code {self._process.exitcode}") from error
        if isinstance(message, Exception):
            raise RuntimeError(f"{self.name}: {message}")
        return message

    def close(self) -> None:
        """End the process."""
        self.channel.close()
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
        function(channel, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(1)  # the benchmark has closed the channel
    except Exception as error:
        channel.send(RuntimeError(f"{type(error).__name__}: {error}"))
