"""``python tether.py COMMAND``: run a command that must not outlive the process that started it.

Its standard input is a pipe that nobody writes to. The system closes it when the other process ends, even by kill -9.
"""

import os
import signal
import subprocess
import sys
import threading


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)  # this process, the command, and all that the command started


if __name__ == "__main__":
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(process.wait())
