"""A function in a fresh process, with the memory that it needed at its peak."""

import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PROCESSES = multiprocessing.get_context("spawn")


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function(*arguments)`` returns there.

    Args:
        function: Of a module's top level.
        arguments: What it is given.

    Raises:
        RuntimeError: If it fails.
    """
    ours, theirs = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_answer, args=(theirs, function, arguments), daemon=True)  # ends with us
    resource_tracker.ensure_running()  # its start, else a part of the process's, would lift the mask
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: Ctrl-C goes to all, only we answer
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        answer = RuntimeError(f"{function.__name__} ended without an answer")
    except BaseException:
        process.kill()
        raise
    finally:
        ours.close()
        process.join()
    if isinstance(answer, Exception):
        raise RuntimeError(f"{function.__name__}: {answer}")
    return answer


class PeakMemory:
    """Bytes that this process held at most since the meter was made, above what it held then.

    On Linux the system's own high-water mark is set back first; elsewhere an earlier peak may hide a later one.
    """

    def __init__(self) -> None:
        if CLEAR.exists():
            CLEAR.write_text("5")
        self._before = _peak()

    def read(self) -> int:
        """So far."""
        return _peak() - self._before


def _peak() -> int:
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _answer(wire: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        wire.send(function(*arguments))
    except Exception as error:
        wire.send(RuntimeError(f"{type(error).__name__}: {error}"))
