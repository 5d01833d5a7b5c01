"""``benchmark.py record``: how long the record's configs train, with hand-derived gradients and with autograd's."""

import argparse
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import yaml

from cifar_mlp.benchmarks.fits import epoch_seconds, run_together
from cifar_mlp.benchmarks.problem_options import add_rounds_and_device, require_between
from cifar_mlp.benchmarks.rounds import show_progress
from cifar_mlp.common.parallel_runs import cores

EPOCHS = 4  # of each fit; the first is not counted
GRADIENTS = ("hand", "autograd")


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    add_rounds_and_device(job, rounds=3)
    job.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N",
                     help="of each training (default %(default)s)")  # fmt: skip


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document after each round of all configs.

    Raises:
        ValueError: For an impossible option.
        RuntimeError: If a process fails.
    """
    if options.device != "cpu":
        raise ValueError(f"--device {options.device}: the record's configs are for the cpu")
    require_between("--threads", 1, options.threads, cores(), ", the cores that this process may use")
    paths = sorted((options.config.parents[1] / "record").glob("*.yaml"))
    rows = [
        {"config": path.stem, "gradients": gradients, "epochs": epochs, "seconds": [], "start": []}
        for path, epochs in ((path, yaml.safe_load(path.read_text())["trainer"]["max_epochs"]) for path in paths)
        for gradients in GRADIENTS if not path.stem.endswith("_all")  # the same with more images
    ]  # fmt: skip
    folder = paths[0].parent
    for number in range(options.rounds):
        for row in rows:
            show_progress(f"round {number + 1} of {options.rounds}: {row['config']}, {row['gradients']}")
            fit_once(row, folder / f"{row['config']}.yaml", options.threads, scratch)
        yield {"problem": {"epochs": EPOCHS, "threads": options.threads}, "rounds": number + 1, "trainings": rows}


def fit_once(row: dict[str, Any], config: Path, threads: int, scratch: Path) -> None:
    """Fit a few epochs in a new process, PCA included; adds the mean epoch's seconds and those of all else."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        began = time.monotonic()
        options = ["--model.gradients", row["gradients"], "--trainer.max_epochs", str(EPOCHS)]
        options += ["--trainer.accelerator", "cpu", "--data.cache_dir", folder, "--trainer.default_root_dir", folder]
        (said,) = run_together([["fit", "--config", str(config), *options]], threads)
        took = time.monotonic() - began
    each = epoch_seconds(said)
    row["seconds"].append(fmean(each[1:]))
    row["start"].append(took - sum(each))
