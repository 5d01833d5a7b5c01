"""``benchmark.py startup``: how long until something happens, and which imports take the time."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cifar_mlp.benchmarks.report import Report, show_progress
from cifar_mlp.benchmarks.spread import spread
from cifar_mlp.benchmarks.startup_plot import waits
from cifar_mlp.benchmarks.train_job import SCHEMA_VERSION
from cifar_mlp.data.cifar import ROOT_VARIABLE
from cifar_mlp.pictures.style import pixels, png, save
from cifar_mlp.reports.performance_tables import startup_tables

TOP = 12  # packages that are listed
STOP = ["--trainer.callbacks+", "cifar_mlp.benchmarks.first_step.StopAtFirstStep"]
SIMPLEST = """
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset
from cifar_mlp.benchmarks.first_step import StopAtFirstStep
class Simplest(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).sum()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
                  callbacks=[StopAtFirstStep()])
trainer.fit(Simplest(), DataLoader(TensorDataset(torch.ones(4, 3))))
"""


def add_options(job: argparse.ArgumentParser) -> None:
    """The job's own."""
    job.add_argument("--rounds", type=int, default=5, help="starts of each (default 5)")


def run(options: argparse.Namespace) -> int:
    """Start everything in turn, and report."""
    if options.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {options.rounds}")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        document = measure(options.card, Path(scratch), options.rounds, show_progress)
    report = Report("startup", "Start-up", document, startup_tables(document), options.output, ("startup.png",))
    report.show()
    if options.output is not None:
        report.write()
        save(png(pixels(waits(document))), options.output / "startup.png")
    return 0


def measure(
    card: Path, scratch: Path, rounds: int, progress: Callable[[str], None] = lambda step: None
) -> dict[str, Any]:
    """Seconds from the start of a fresh process to its end; each round begins with another command."""
    todo = commands(card, scratch)
    absent = []
    if not os.environ.get(ROOT_VARIABLE):
        absent = [f"{name}: not run ({ROOT_VARIABLE} is not set)" for name in todo if "CIFAR" in name]
        todo = {name: command for name, command in todo.items() if "CIFAR" not in name}
    seconds: dict[str, list[float]] = {name: [] for name in todo}
    order = list(todo)
    for warm in (name for name in todo if "cache" in name and "no cache" not in name):
        seconds_of(warm, todo[warm], scratch)  # so that the cache is there
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for name in order:
            seconds[name].append(seconds_of(name, todo[name], scratch))
        order.append(order.pop(0))
    progress("imports")
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": "startup",
        "rounds": rounds,
        "commands": [
            {"command": name, "seconds": spread(taken)._asdict(), "seconds_by_round": taken}
            for name, taken in seconds.items()
        ],
        "imports": import_seconds("cifar_mlp.cli"),
        "not_run": absent,
    }


def commands(card: Path, scratch: Path) -> dict[str, list[str]]:
    """What is started, by name."""
    python = [sys.executable]
    ours = [*python, "-m", "cifar_mlp"]
    fit = [*ours, "fit", "--trainer.accelerator", "cpu", *STOP]
    cifar = [*fit, "--config", str(card), "--data.cache_dir"]
    pca = ["--data.n_components", "510"]
    return {
        "python -c pass": [*python, "-c", "pass"],
        "import torch": [*python, "-c", "import torch"],
        "import lightning.pytorch": [*python, "-c", "import lightning.pytorch"],
        "the least Lightning training, first step": [*python, "-c", SIMPLEST],
        "cifar-mlp --help": [*ours, "--help"],
        "cifar-mlp fit --help": [*ours, "fit", "--help"],
        "cifar-mlp fit, digits, first step": [*fit, "--data.source", "digits"],
        "cifar-mlp fit, CIFAR-10 pixels, first step": [*cifar, str(scratch / "none")],
        "cifar-mlp fit, CIFAR-10, PCA 510, no cache yet, first step": [*cifar, str(scratch / "cold"), *pca],
        "cifar-mlp fit, CIFAR-10, PCA 510 from the cache, first step": [*cifar, str(scratch / "warm"), *pca],
    }


def seconds_of(name: str, command: list[str], scratch: Path) -> float:
    """Run one command to its end.

    Raises:
        RuntimeError: If it fails.
    """
    shutil.rmtree(scratch / "cold", ignore_errors=True)
    started = time.perf_counter()
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, env=os.environ)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return seconds


def import_seconds(module: str) -> list[dict[str, Any]]:
    """What importing ``module`` costs, by package, dearest first: own time of all modules imported from each."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"], capture_output=True, text=True, check=True
    )
    return packages(done.stderr)[:TOP]


def packages(report: str) -> list[dict[str, Any]]:
    """The report of ``-X importtime``, added up by package.

    Args:
        report: Lines such as ``import time:   12 |   34 |   numpy.linalg``, microseconds, own time first.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    modules: defaultdict[str, int] = defaultdict(int)
    for line in report.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and len(parts) == 3 and parts[0].strip().isdigit():
            package = parts[2].strip().split(".")[0]
            seconds[package] += int(parts[0]) / 1e6
            modules[package] += 1
    dearest = sorted(seconds, key=lambda package: -seconds[package])
    return [{"package": name, "seconds": seconds[name], "modules": modules[name]} for name in dearest]
