"""Freed memory is kept: what a training step allocates anew costs it no page faults."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from cifar_mlp import cli
from cifar_mlp.cli import run

SCRIPT = """
import resource, sys
import torch
from cifar_mlp.training.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def step():
    tensors = [torch.ones(size * 2**18) for size in (7, 7, 7, 7)]  # MiB
    while tensors:
        tensors.pop()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
before = faults()
for _ in range(20):
    step()
print((faults() - before) / 20)
"""


def page_faults(how: str) -> float:
    """Of one step, where glibc gives everything back at once: left alone, it does so now and then."""
    returning = os.environ | {"MALLOC_TRIM_THRESHOLD_": str(2**17)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True, env=returning
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc on this machine")
def test_steps_take_their_memory_without_page_faults():
    assert page_faults("kept") < 50
    assert page_faults("freed") > 1000, "without it there is something to save"


def test_a_fit_keeps_its_memory(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    monkeypatch.setattr(cli, "keep_freed_memory", lambda: bool(asked.append(1)))
    run(["fit", "--data.n_components", "5", "--model.hidden_sizes", "[4]", "--trainer.fast_dev_run", "true"])
    assert asked == [1]
