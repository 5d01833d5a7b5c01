"""``cifar-mlp`` in real processes, and what it prints of its epochs."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack


def run_together(commands: Sequence[Sequence[str]], threads: int = 1) -> list[str]:
    """Run ``cifar-mlp`` with each of these arguments at the same time; returns what each has printed.

    Raises:
        RuntimeError: If one fails. None outlives this.
    """
    known = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with ExitStack() as ending:
        started = []
        for arguments in commands:
            command = [sys.executable, "-m", "cifar_mlp", *arguments]
            process = subprocess.Popen(command, env=known, stdout=subprocess.PIPE, text=True)
            ending.callback(process.wait)
            ending.callback(process.terminate)
            started.append(process)
        said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError("a process failed, see above")
    return said


def epoch_seconds(said: str) -> list[float]:
    """Of every epoch that a fit has printed."""
    return [float(taken) for taken in re.findall(r"^epoch \d+/\d+  ([\d.]+) s", said, re.M)]
