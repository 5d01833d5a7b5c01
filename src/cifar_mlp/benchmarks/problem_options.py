"""The command-line options that decide what is trained and where, and their checks."""

import argparse
import math
import os
import sys
from pathlib import Path

import torch

from cifar_mlp.benchmarks.images import MOST_IMAGES
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.common.machine_share import cores
from cifar_mlp.data.cifar import CIFAR10, ROOT_VARIABLE


def add_problem_options(job: argparse.ArgumentParser, images: int = MOST_IMAGES) -> None:
    """Add them to a job that trains on ``images`` images by default."""
    job.add_argument("--images", type=int, default=images, metavar="N",
                     help="training images in an epoch (default %(default)s)")  # fmt: skip
    job.add_argument("--components", type=int, default=510, metavar="K",
                     help="principal components for the pca inputs (default %(default)s)")  # fmt: skip
    job.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run (default %(default)s)")
    job.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N",
                     help="for PyTorch and the BLAS (default %(default)s)")  # fmt: skip


def problem_of(options: argparse.Namespace, scratch: Path) -> Problem:
    """The problem that the options describe.

    Args:
        options: Of any job with these options.
        scratch: Folder for runs and fitted PCAs.

    Raises:
        ValueError: For an impossible number; names the option.
    """
    _require_sizes(options)
    if not 1 <= options.threads <= cores():
        raise ValueError(
            f"--threads must lie between 1 and {cores()}, the cores that this process may use, not be {options.threads}"
        )
    real = bool(os.environ.get(ROOT_VARIABLE))
    if real:
        CIFAR10.prepare(None, "train")
    else:
        print(f"{ROOT_VARIABLE} is not set: training on synthetic images", file=sys.stderr)
    return Problem(
        options.config, scratch, options.components, images=options.images, real=real, device=options.device,
        threads=options.threads,
    )  # fmt: skip


def _require_sizes(options: argparse.Namespace) -> None:
    share = 2 if "images" in getattr(options, "axes", ()) else 1  # scaling by images also trains on half of them
    fewest = 2 if options.job == "pca" else share * Problem.batch_size
    if not fewest <= options.images <= MOST_IMAGES:
        raise ValueError(f"--images must lie between {fewest} and {MOST_IMAGES}, not be {options.images}")
    most = min(options.images // share, math.prod(CIFAR10.image_shape))
    if "pca" in getattr(options, "inputs", ("pca",)) and not 1 <= options.components <= most:
        raise ValueError(
            f"--components must lie between 1 and {most} with --images {options.images}, not be {options.components}"
        )
