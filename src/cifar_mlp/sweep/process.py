"""One trial's process: ``cifar-mlp fit`` in a folder of its own, asked after each epoch whether to continue."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from cifar_mlp.callbacks.pruning import CONTINUE, REPORT
from cifar_mlp.sweep.heartbeat import HEARTBEAT

FIT = [sys.executable, "-m", "cifar_mlp", "fit"]
CALLBACK = "cifar_mlp.callbacks.pruning.AskToGoOn"
ENDING = 60.0  # seconds that a process may take to end after it was stopped


class Outcome(NamedTuple):
    """How a trial's process ended.

    Attributes:
        values: Validation accuracy of each epoch.
        stopped: Whether it was stopped early.
        reason: What it said last, where it failed; else ``None``.
    """

    values: list[float]
    stopped: bool
    reason: str | None


def run_fit(
    fit_arguments: list[str],
    folder: Path,
    go_on: Callable[[int, float], bool],
    alive: Callable[[], None],
    heartbeat: float = HEARTBEAT,
    program: Sequence[str] | None = None,
) -> Outcome:
    """Train, and keep what was printed in ``output.txt``.

    Args:
        fit_arguments: What ``cifar-mlp fit`` takes.
        folder: Root of the run; its own folder is below.
        go_on: Given an epoch, from 1, and its validation accuracy, decides whether to train on.
        alive: Called every ``heartbeat`` seconds or oftener.
        heartbeat: Seconds.
        program: What runs instead of ``cifar-mlp fit``, with its options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [*(program or FIT), *fit_arguments, "--views.all=false"]
    command += [f"--trainer.default_root_dir={folder}", f"--trainer.callbacks+={CALLBACK}"]
    values: list[float] = []
    stopped, last = False, "ended without a word"
    with (
        (folder / "output.txt").open("w") as output,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        ) as process,
    ):
        assert process.stdin is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(process, lines), daemon=True).start()
        try:
            while (line := _next_line(lines, heartbeat, alive)) is not None:
                output.write(line)
                output.flush()
                last = line.strip() or last
                if line.startswith(REPORT):
                    report = json.loads(line.removeprefix(REPORT))
                    values.append(report["value"])
                    stopped = stopped or not go_on(report["epoch"], report["value"])
                    process.stdin.write(f"{'stop' if stopped else CONTINUE}\n")
        except BrokenPipeError:  # it died between its report and the answer
            pass
        except BaseException:
            process.terminate()
            raise
        code = process.wait(ENDING)
    if code:
        reason = last.removeprefix("cifar-mlp: error: ")
        return Outcome(values, stopped, reason if code > 0 else f"killed by signal {-code}")
    return Outcome(values, stopped, None if values else "no epoch was validated")


def _read(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _next_line(lines: "queue.SimpleQueue[str | None]", heartbeat: float, alive: Callable[[], None]) -> str | None:
    while True:
        try:
            return lines.get(timeout=heartbeat)
        except queue.Empty:
            alive()
