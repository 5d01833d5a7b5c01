"""``benchmark.py processes``: how the work grows with processes."""

import argparse
import os
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from statistics import fmean
from typing import Any

from cifar_mlp.benchmarks.fits import epoch_seconds, run_together
from cifar_mlp.benchmarks.problem_options import add_rounds_and_device, require_between
from cifar_mlp.benchmarks.rounds import show_progress
from cifar_mlp.common.parallel_runs import cores

BATCH = 200  # images a step, of all processes together
EPOCHS, RUNS = 4, 4
FIT = ["--config", "q4_best", "--views.all", "false", "--trainer.precision", "32-true", "--trainer.accelerator", "cpu"]


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    add_rounds_and_device(job, rounds=3)
    job.add_argument("--most", type=int, default=cores(), metavar="N",
                     help="processes at most; one thread each (default: the cores, %(default)s)")  # fmt: skip


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document after each round of all counts: 1, 2, 4 and so on.

    Raises:
        ValueError: For an impossible option.
        RuntimeError: If a process fails.
    """
    if options.device != "cpu":
        raise ValueError(f"--device {options.device}: processes are measured on the cpu")
    require_between("--most", 2, options.most, cores(), ", the cores that this process may use")
    options.threads = 1  # of each process
    load = round(os.getloadavg()[0], 2)  # of others: what is measured has not begun
    counts = [2**power for power in range(10) if 2**power <= options.most]
    rows = [{"kind": kind, "processes": count, "seconds": []} for kind in KINDS for count in counts]
    for number in range(options.rounds):
        for row in rows:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                row["seconds"].append(KINDS[row["kind"]](row["processes"], Path(folder)))
            show_progress(f"round {number + 1} of {options.rounds}: {row['kind']}, {row['processes']} processes")
        problem = {"batch_size": BATCH, "runs": RUNS, "cores": cores(), "load_before": load}
        yield {"problem": problem, "rounds": number + 1, "processes": rows}


def ddp_seconds(processes: int, folder: Path) -> float:
    """Mean seconds of an epoch of one training on so many processes, but for the first, in which they start."""
    options = [*FIT, "--trainer.max_epochs", str(EPOCHS), "--data.batch_size", str(BATCH // processes)]
    options += ["--trainer.devices", str(processes), "--trainer.default_root_dir", str(folder)]
    (said,) = run_together([["fit", *options]])
    return fmean(epoch_seconds(said)[1:])


def worker_seconds(workers: int, folder: Path) -> float:
    """Seconds of a run when so many workers share runs of one epoch, start and table included."""
    options = [*FIT, "--trainer.max_epochs", "1", "--output", str(folder), "--storage", str(folder / "journal.log")]
    began = time.monotonic()
    run_together([["seeds", "--seeds", str(RUNS), *options]] * workers)
    return (time.monotonic() - began) / RUNS


KINDS = {"one training": ddp_seconds, "separate trainings": worker_seconds}
