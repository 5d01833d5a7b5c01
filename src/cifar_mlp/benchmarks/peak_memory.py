"""The peak of this process's memory."""

import resource
import sys
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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
