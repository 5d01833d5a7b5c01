"""Whatever is typed ends in success, or in at most three lines and an exit code that is not 0."""

import os
import random
import resource
import signal
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from cifar_mlp.cli import run
from tests.cli.fuzzed import BASE, Case, cases
from tests.training.killed import PROCESSES

ALL, AT_ONCE = 2000, 100
LIMIT = 90  # seconds
MOST_MEMORY = 4 * 2**30


def _program(arguments: list[str], folder: str, trains: bool) -> None:
    """The real program in a process of its own, with a fit that checks everything and trains only if it shall."""
    os.chdir(folder)
    for number in (1, 2):
        os.dup2(os.open(f"output_{number}", os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["HOME"] = folder
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    if not trains:
        Trainer.fit = lambda *_, **__: None  # type: ignore[method-assign]
    sys.argv = ["cifar-mlp", *arguments]
    from cifar_mlp.cli import main

    main()


def wrong_with(checked: Case, folder: Path) -> str:
    """What a case does that no command may do; empty if nothing."""
    folder.mkdir()
    for name, content in checked.files.items():
        (folder / name).write_bytes(content)
    process: Any = PROCESSES.Process(target=_program, args=(checked.arguments, str(folder), checked.trains))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
        return f"no end in {LIMIT} s"
    out, err = ((folder / f"output_{number}").read_text(errors="backslashreplace") for number in (1, 2))
    lines = err.strip().splitlines()
    if "Traceback" in out + err:
        return f"a traceback: {err[-1500:]}"
    if process.exitcode < 0:
        return f"killed by signal {-process.exitcode}"
    if process.exitcode > 0 and not lines:
        return f"exit code {process.exitcode} without a word"
    if process.exitcode > 0 and (len(lines) > 3 or max(map(len, lines)) > 900):
        return f"{len(lines)} lines, the longest of {max(map(len, lines))}: {err[:1500]}"
    left = {path.name for path in folder.iterdir()} - {*checked.files, "output_1", "output_2"}
    if process.exitcode > 0 and not checked.trains and any(not name.startswith(".") for name in left):
        return f"refused, and yet it left {left}: {err}"
    return ""


def fuzz(folder: Path, checkpoint: Path, seed: int, numbers: range) -> list[str]:
    found = []
    for number, drawn in zip(numbers, cases(seed, numbers.stop)[numbers.start :], strict=True):
        drawn.files["best.ckpt"] = checkpoint.read_bytes()
        begin = time.perf_counter()
        wrong = wrong_with(drawn, folder / str(number))
        print(number, round(time.perf_counter() - begin, 2), drawn.arguments, flush=True)
        if wrong:
            odd = drawn.files.get("odd.yaml", b"")[:300]
            found.append(
                f"seed {seed}, case {number}: {drawn.arguments}, trains {drawn.trains}, odd.yaml {odd!r}: {wrong}"
            )
            print("WRONG", found[-1], flush=True)
    return found


@pytest.fixture
def checkpoint(own_home: Path) -> Path:
    run(["fit", *BASE, "--trainer.max_epochs", "1"])
    return next(own_home.rglob("best.ckpt"))


@pytest.mark.slow
def test_what_is_typed_ends_in_success_or_in_a_line(tmp_path: Path, checkpoint: Path):
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    assert not fuzz(tmp_path, checkpoint, seed, range(40))


def seed_of_the_day() -> int:
    """Another one every day, and the same for all parts of a run; FUZZ_SEED repeats one."""
    return int(os.environ.get("FUZZ_SEED", date.today().strftime("%Y%m%d")))


def test_the_cases_are_distinct():
    drawn = cases(seed_of_the_day(), ALL)
    assert len({(*case.arguments, case.files.get("odd.yaml", b"")) for case in drawn}) == ALL
    assert cases(seed_of_the_day(), AT_ONCE) == drawn[:AT_ONCE]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(ALL // AT_ONCE))
def test_two_thousand_cases_end_in_success_or_in_a_line(tmp_path: Path, checkpoint: Path, part: int):
    seed = seed_of_the_day()
    print("seed", seed)
    assert not fuzz(tmp_path, checkpoint, seed, range(AT_ONCE * part, AT_ONCE * (part + 1)))
