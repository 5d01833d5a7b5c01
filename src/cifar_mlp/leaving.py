"""The end of a process, without taking apart first what the system takes back anyway."""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

FLUSH_FAILED = 120  # Python's own exit code for output that could not be written


def leave_after(main: Callable[[], object]) -> NoReturn:
    """Call ``main`` and end the process with its exit code.

    Threads are waited for, exit functions run and output is written, as always. Only the modules are not taken apart
    one by one, which after importing PyTorch and Lightning takes over a second.

    Args:
        main: May raise ``SystemExit``; any other exception goes its usual way.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()
    atexit._run_exitfuncs()
    status = int(code or 0)  # type: ignore[call-overload]
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # a pipe that nobody reads any more, a full disk
            status = status or FLUSH_FAILED
    os._exit(status)
