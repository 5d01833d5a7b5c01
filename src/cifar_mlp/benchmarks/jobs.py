"""The jobs of ``scripts/benchmark.py``, and what they share: run, print tables, write numbers and a picture."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from rich.console import Console
from rich.markdown import Markdown

from cifar_mlp.benchmarks import parity_job, pca_job, plots, processes_job, record_job, scaling_job, train_job
from cifar_mlp.common.caches import describe_caches
from cifar_mlp.common.json_files import write_json_rows
from cifar_mlp.common.parallel_runs import cores
from cifar_mlp.common.provenance import cpu_identity, environment, package_versions
from cifar_mlp.parity.compare import missing
from cifar_mlp.pictures.style import save_figure
from cifar_mlp.reports.performance_tables import job_text

SCHEMA_VERSION = 2
PACKAGES = ("lightning", "torchvision", "scikit-learn", "skorch", "keras", "jax")
ROWS = ("implementations", "roofline", "solvers", "points", "timings", "processes", "trainings")
Document = dict[str, Any]


class Job(NamedTuple):
    """One measurement."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[argparse.Namespace, Path], Generator[Document, None, None]]  # a document per complete round
    draw: Callable[[Document], Figure] | None = None


JOBS = {
    "train": Job("training speed of this package and of other implementations", train_job.add_options,
                 train_job.measure, plots.training_speed),
    "pca": Job("time, memory and errors of fitting a PCA, compared with scikit-learn", pca_job.add_options,
               pca_job.measure, plots.pca_cost),
    "scaling": Job("training speed by batch size, width, depth, number of images and threads", scaling_job.add_options,
                   scaling_job.measure, plots.scaling_curves),
    "processes": Job("how the work grows with processes: one training on several, and several trainings shared",
                     processes_job.add_options, processes_job.measure, plots.work_by_processes),
    "record": Job("how long the record's configs train, by hand-derived gradients and by autograd's",
                  record_job.add_options, record_job.measure),
    "parity": Job("speed and memory of the hand-derived gradients, autograd and NumPy", parity_job.add_options,
                  parity_job.measure),
}  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Run the job ``options.job``; if it is interrupted, the complete rounds are still reported."""
    if reason := missing(options.device):
        print(f"{options.device}: not run ({reason})")
        return 0
    document: Document | None = None
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        try:
            with closing(JOBS[options.job].measure(options, Path(scratch))) as documents:
                for found in documents:
                    document = _complete(options, found)
                    keep(document, options.output)  # whatever ends the process before its next round
        finally:
            if document is not None:
                report(options.job, document, options.output)
    return 0


def _complete(options: argparse.Namespace, document: Document) -> Document:
    head = {"schema_version": SCHEMA_VERSION, "benchmark": options.job}
    surroundings = {**describe_environment(options), **document.pop("environment", {})}
    return {**head, "environment": surroundings, **document}


def keep(document: Document, output: Path | None) -> None:
    """Write ``benchmark.json`` into ``output``."""
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_json_rows(output / "benchmark.json", document, ROWS)


def describe_environment(options: argparse.Namespace) -> Document:
    """What it takes to measure the numbers again: versions, CPU, device, threads, commit, date."""
    surroundings = environment((options.device,), seed=0)
    threads = getattr(options, "threads", surroundings["threads"])
    cpu = "; ".join(part for part in (cpu_identity(), describe_caches()) if part)
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None  # of the last minute, ours included
    more = {"threads": threads, "cpu": cpu, "cores": cores(), "load": load, "packages": package_versions(PACKAGES)}
    return {**surroundings, **more}


def report(name: str, document: Document, output: Path | None) -> None:
    """Print the tables of a job; write ``benchmark.json`` and the picture into ``output``."""
    keep(document, output)
    job = JOBS[name]
    Console(width=None if sys.stdout.isatty() else 160).print(Markdown(job_text(name, document)))
    if output is not None:
        if job.draw is not None:
            save_figure(job.draw(document), output / f"{name}.png")
        print(f"written: {output}")
