"""Many files, each checked in a process of its own with a limit of time; one row of a table each.

This executes the files' code. Limits hold against accidents (an endless loop, a crash, a flood of output, forks), not
against intent.
"""

import csv
import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cifar_mlp.parity.check.report import Report
from cifar_mlp.parity.check.submission import UnusableError

UNUSABLE = "unusable"
COLUMNS = ("file", "verdict", "tensor", "cause")
MEMORY = 8 << 30  # bytes
POLL_SECONDS = 0.02


class Judgement(NamedTuple):
    """What became of one file."""

    file: Path
    verdict: str  # a report's, or ``unusable``
    tensor: str  # the wrong ones
    cause: str
    text: str  # the whole report


class _Running(NamedTuple):
    file: Path
    answer: Path
    until: float


def check_apart(
    files: Sequence[Path], check: Callable[[Path], Report], seconds: float, workers: int
) -> Iterator[Judgement]:
    """Check files, each in a process forked from this one, several at once; outcomes as they come.

    Args:
        files: To check.
        check: ``check(file)``, in the other process; must not have started threads here.
        seconds: Limit of each.
        workers: Processes at a time.
    """
    waiting = list(reversed(files))
    running: dict[int, _Running] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    file = waiting.pop()
                    answer = Path(folder, f"{len(waiting)}.json")
                    running[_fork(file, check, seconds, answer)] = _Running(file, answer, time.monotonic() + seconds)
                for process, one in list(running.items()):
                    ended, status = os.waitpid(process, os.WNOHANG)
                    if not ended and time.monotonic() < one.until:
                        continue
                    del running[process]
                    _kill(process, reap=not ended)
                    yield _outcome(one, status if ended else None, seconds)
                time.sleep(POLL_SECONDS)
        finally:
            for process in running:
                _kill(process, reap=True)


def _fork(file: Path, check: Callable[[Path], Report], seconds: float, answer: Path) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    with suppress(BaseException):
        os.setsid()  # a group of its own, to end all that it starts
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + 5)  # also if the parent is killed
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        def refuse() -> None:
            _write(answer, _unusable("it forks: a submission must not start processes"))
            os._exit(0)

        os.register_at_fork(before=refuse)
        _write(answer, _answer(file, check))
        code = 0
    os._exit(code)


def _write(answer: Path, found: dict[str, str]) -> None:
    unfinished = answer.with_suffix(".part")
    unfinished.write_text(json.dumps(found))
    unfinished.replace(answer)


def _answer(file: Path, check: Callable[[Path], Report]) -> dict[str, str]:
    try:
        report = check(file)
    except (UnusableError, MemoryError) as error:
        return _unusable(str(error) or "out of memory")
    except Exception as error:  # a form of arguments that the check cannot read
        return _unusable(f"{type(error).__name__} in the check: {error}")
    wrong = " ".join(tensor.name for tensor in report.tensors if not tensor.right)
    return {"verdict": report.verdict, "tensor": wrong, "cause": report.cause, "text": str(report)}


def _unusable(cause: str) -> dict[str, str]:
    return {"verdict": UNUSABLE, "tensor": "", "cause": cause, "text": cause}


def _kill(process: int, reap: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL) if reap else None
    if reap:
        os.waitpid(process, 0)


def _outcome(one: _Running, status: int | None, seconds: float) -> Judgement:
    if one.answer.exists():
        return Judgement(one.file, **json.loads(one.answer.read_text()))
    if status is None:
        cause = f"no answer within {seconds:g} seconds"
    elif os.WIFSIGNALED(status):
        cause = f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    else:
        cause = f"it ended its process with exit code {os.waitstatus_to_exitcode(status)}"
    return Judgement(one.file, **_unusable(cause))


class ResultTable:
    """A CSV file with one row for each file that was checked; what it holds is not done again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: set[str] = set()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a row cut short is done again
        if whole:
            header, *rows = csv.reader(whole.splitlines(keepends=True))
            if tuple(header) != COLUMNS:
                raise ValueError(f"--csv: {path} is not a table of checks; its first line must be {','.join(COLUMNS)}")
            self.done = {row[0] for row in rows}
        self._file = path.open("a", encoding="utf-8", newline="")
        self._file.truncate(len(whole.encode()))
        if not whole:
            csv.writer(self._file, lineterminator="\n").writerow(COLUMNS)
            self._file.flush()

    def add(self, outcome: Judgement) -> None:
        """One row, on the disk at once."""
        cause = " ".join(outcome.cause.split())
        csv.writer(self._file, lineterminator="\n").writerow([outcome.file, outcome.verdict, outcome.tensor, cause])
        self._file.flush()

    def close(self) -> None:
        """No more rows."""
        self._file.close()
