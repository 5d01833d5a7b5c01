"""Ctrl-C and SIGTERM at any moment: one line, and the exit code of an interruption."""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

BY_INTERRUPT = 128 + signal.SIGINT
BY_TERMINATION = 128 + signal.SIGTERM  # what schedulers take for an interruption, not for a failure
_PARENT = "CIFAR_MLP_PARENT"
_saving = False


def end_at_interrupt(program: str) -> None:
    """From now on Ctrl-C and SIGTERM end the process with a line, whatever is running; for imports and its end.

    SIGTERM within ``saving_at_termination`` is left to the trainer, once that has a handler of its own. A
    ``KeyboardInterrupt`` within an import can come out as any other error. Where Ctrl-C is ignored, as under
    ``nohup``, it stays ignored.

    Args:
        program: Name before the line.
    """

    def end(*_: Any) -> None:
        if not is_brought_along():
            os.write(2, f"{program}: interrupted\n".encode())
        os._exit(BY_INTERRUPT)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, end)
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        _end_at_termination(program)


def ignore_interrupts_at_the_very_end() -> None:
    """Python takes its handlers away before it is gone: Ctrl-C would then kill a program that has done its work.

    To be called first, since Python calls what is registered first last.
    """
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def _end_at_termination(program: str) -> None:
    process = os.getpid()

    def end(*_: Any) -> None:
        if os.getpid() != process:  # a worker that was forked from this one, and is ended by it
            os._exit(BY_TERMINATION)
        if _saving and signal.getsignal(signal.SIGTERM) is not end:
            return
        if not is_brought_along():
            os.write(2, f"{program}: stopped by SIGTERM\n".encode())
        os._exit(BY_TERMINATION)

    signal.signal(signal.SIGTERM, end)


@contextmanager
def saving_at_termination() -> Iterator[None]:
    """Within it a trainer answers SIGTERM: it saves after the current step, and raises."""
    global _saving
    _saving = True
    try:
        yield
    finally:
        _saving = False


@contextmanager
def answering_interrupts(program: str) -> Iterator[None]:
    """Run the program; an interruption is a line that says how to continue, where the exception has a note of it.

    Args:
        program: Name before the line.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt as error:
        _end(program, "interrupted", error, BY_INTERRUPT)
    except SystemExit as error:
        if type(error).__name__ == "SIGTERMException":  # Lightning's, whose import takes seconds
            _end(program, "stopped by SIGTERM", error, BY_TERMINATION)
        if isinstance(error.__context__, KeyboardInterrupt):  # Lightning exits with 1
            _end(program, "interrupted", error.__context__, BY_INTERRUPT)
        raise


def _end(program: str, what: str, error: BaseException, code: int) -> NoReturn:
    if is_brought_along():  # the process that started this one speaks, and would be killed where this one fails
        sys.exit(0)
    line = "; ".join([what, *getattr(error, "__notes__", [])])
    print(f"{program}: {line}", file=sys.stderr, flush=True)
    sys.exit(code)


def bring_along() -> None:
    """Let the processes that train with this one end with it, however it ends; see ``end_with_parent``."""
    if "LOCAL_RANK" not in os.environ:  # else another program starts them
        os.environ[_PARENT] = str(os.getpid())


def end_with_parent() -> None:
    """In such a process: end as soon as the one that started it is gone. Else it would wait for it half an hour."""
    if not is_brought_along():
        return

    def watch() -> None:
        while os.environ[_PARENT] == str(os.getppid()):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def is_brought_along() -> bool:
    """Whether this process trains with the one that started it, which speaks for both."""
    return _PARENT in os.environ and os.environ.get("LOCAL_RANK", "0") != "0"
