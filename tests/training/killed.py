"""Runs of the program in processes of their own that are killed, and what a finished run leaves behind."""

import math
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# A process that has imported everything starts each run in a fork of itself: a run then takes a second, not six.
PROCESSES = multiprocessing.get_context("forkserver")
READER = "tensorboard.backend.event_processing.event_accumulator"
PROCESSES.set_forkserver_preload(["cifar_mlp.cli.command_line", "cifar_mlp.callbacks.views", "pytest", READER])
LIMIT = 240  # seconds
BEST_HOLDS = ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step")


def in_a_folder(folder: str) -> None:
    """Let this process work in a folder, print there, hear signals, and compute in one thread."""
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # A benchmark in this process may have started the fork server with both blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    torch.set_num_threads(1)


def program(arguments: list[str], folder: str) -> None:
    """``cifar-mlp`` with these arguments, in this process."""
    in_a_folder(folder)
    sys.argv = ["cifar-mlp", *arguments]
    from cifar_mlp.cli import main

    main()


def start(arguments: list[str], folder: Path) -> Any:
    """The process of ``cifar-mlp`` with these arguments in a working directory."""
    folder.mkdir(exist_ok=True)
    process = PROCESSES.Process(target=program, args=(arguments, str(folder)))
    process.start()
    return process


def ended(process: Any) -> int:
    """The exit code; no process is left."""
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError("the process did not end")
    return int(process.exitcode)


def run_to_its_end(arguments: list[str], folder: Path) -> float:
    """Seconds that it took.

    Raises:
        AssertionError: With its output, if it failed.
    """
    begin = time.perf_counter()
    code = ended(start(arguments, folder))
    assert code == 0, (folder / "output.txt").read_text()
    return time.perf_counter() - begin


def run_killed(arguments: list[str], folder: Path, moments: list[float], signals: list[signal.Signals]) -> None:
    """Start, send each signal after its seconds, start again in the same way, and at last let it end."""
    for seconds, number in zip(moments, signals, strict=True):
        process = start(arguments, folder)
        process.join(seconds)
        if process.is_alive():
            os.kill(process.pid, number)
        ended(process)
    run_to_its_end(arguments, folder)


def left_by(folder: Path) -> dict[str, Any]:
    """Everything that a finished run must leave, bit for bit, whether or not it was killed on the way."""
    (last,) = folder.rglob("last.ckpt")
    content = torch.load(last, weights_only=True)
    first = last.with_name("best.ckpt")
    best = torch.load(first if first.exists() else last, weights_only=True)  # without validation there is none
    kept = {name: content[name] for name in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step")}
    kept["best"] = {name: best[name] for name in BEST_HOLDS}
    kept["callbacks"] = {
        name: {part: value for part, value in state.items() if "path" not in part and part != "best_k_models"}
        for name, state in content["callbacks"].items()
    }
    kept["curves"] = curves(last.parents[1])
    return _plain(kept)


def curves(folder: Path) -> dict[str, Any]:
    """Steps and values of every scalar that is not a time."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    names = [tag for tag in events.Tags()["scalars"] if "per_second" not in tag]
    return {tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in names}


def differences(found: Any, expected: Any, name: str = "") -> list[str]:
    """Where two nested values differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        names = sorted(found.keys() | expected.keys(), key=str)
        return [line for key in names for line in differences(found.get(key), expected.get(key), f"{name}/{key}")]
    return [] if found == expected else [f"{name}: {str(found)[:300]} instead of {str(expected)[:300]}"]


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value
