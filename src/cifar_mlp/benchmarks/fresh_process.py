"""A function called in a fresh process, and the peak of its memory."""

import multiprocessing
import resource
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

STOPPING = {signal.SIGINT, signal.SIGTERM}
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a module-level function in a fresh process, and return its result.

    Raises:
        RuntimeError: If it fails.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        # Blocked while the process starts, and in it: a signal waits, and then reaches this process only.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            future = pool.submit(function, *arguments)
        finally:
            started = set(multiprocessing.active_children())
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)  # one that waited is raised here
            except BaseException:
                for child in started:
                    child.kill()
                raise
        try:
            return future.result()
        except Exception as error:
            raise RuntimeError(f"{function.__name__}: {type(error).__name__}: {error}") from error
        except BaseException:
            for child in multiprocessing.active_children():
                child.kill()
            raise


class PeakMemory:
    """Most bytes that this process has held since this object was created, above what it held then.

    Linux can reset its record of the peak; elsewhere an earlier peak may hide a later one.
    """

    def __init__(self) -> None:
        if CLEAR.exists():
            CLEAR.write_text("5")
        self._before = _peak()

    def read(self) -> int:
        """Bytes so far."""
        return _peak() - self._before


def _peak() -> int:
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
