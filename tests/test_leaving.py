"""A process that leaves early leaves nothing undone."""

import subprocess
import sys

import pytest

SETTING = """
import atexit, sys, threading, time
from cifar_mlp.leaving import leave_after

class Slow:
    def __del__(self):
        sys.stderr.write("taken apart")

kept = Slow()
"""


def run(main: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{SETTING}\ndef main():\n    {main}\nleave_after(main)\n"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("main", "code", "said"),
    [
        ("return 7", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no such option')", 1, "no such option\n"),
    ],
)
def test_the_exit_code_is_the_commands(main: str, code: int, said: str):
    done = run(main)
    assert (done.returncode, done.stderr) == (code, said)  # and nothing was taken apart


def test_an_error_goes_its_usual_way():
    done = run("raise KeyError('lost')")
    assert done.returncode == 1
    assert "KeyError: 'lost'" in done.stderr


def test_exit_functions_threads_and_output_are_waited_for():
    done = run(
        "atexit.register(lambda: print('at exit')); "
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start(); "
        "sys.stdout.write('no newline ')"
    )
    assert (done.returncode, done.stdout) == (0, "no newline thread\nat exit\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe that the shell closes")
def test_output_that_nobody_reads_shows_in_the_exit_code():
    leave = f"{SETTING}\nleave_after(lambda: print('x' * 1_000_000))"
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -c "$1" | true; echo ${{PIPESTATUS[0]}}', "-", leave],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() in {"1", "120"}  # Python's own codes, by where the writing failed
