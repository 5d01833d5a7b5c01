"""The command-line options that several jobs share, and their checks."""

import argparse
import math
import os
import sys
from pathlib import Path

import torch

from cifar_mlp.benchmarks.images import MOST_IMAGES
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.common.parallel_runs import cores
from cifar_mlp.data.cifar import CIFAR10
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE


def add_rounds_and_device(job: argparse.ArgumentParser, rounds: int) -> None:
    """Add ``--rounds``, with this default, and ``--device``."""
    job.add_argument("--rounds", type=_at_least_one, default=rounds, metavar="N",
                     help="how often everything is measured (default %(default)s)")  # fmt: skip
    job.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to run (default %(default)s)")


def add_problem_options(job: argparse.ArgumentParser, rounds: int, images: int = MOST_IMAGES) -> None:
    """Add these, and what decides the problem; ``images`` is the default."""
    add_rounds_and_device(job, rounds)
    job.add_argument("--images", type=int, default=images, metavar="N",
                     help="training images in an epoch (default %(default)s)")  # fmt: skip
    job.add_argument("--components", type=int, default=510, metavar="K",
                     help="principal components for the pca inputs (default %(default)s)")  # fmt: skip
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
    share = 2 if "images" in getattr(options, "axes", ()) else 1  # scaling by images also trains on half of them
    fewest = 2 if options.job == "pca" else share * Problem.batch_size
    require_between("--images", fewest, options.images, MOST_IMAGES)
    if "pca" in getattr(options, "inputs", ("pca",)):
        most = min(options.images // share, math.prod(CIFAR10.image_shape))
        require_between("--components", 1, options.components, most, f" with --images {options.images}")
    require_between("--threads", 1, options.threads, cores(), ", the cores that this process may use")
    real = bool(os.environ.get(ROOT_VARIABLE))
    if real:
        CIFAR10.prepare(None, "train")
    else:
        print(f"{ROOT_VARIABLE} is not set: training on synthetic images", file=sys.stderr)
    return Problem(
        options.config, scratch, options.components, images=options.images, real=real, device=options.device,
        threads=options.threads,
    )  # fmt: skip


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


_at_least_one.__name__ = "int"  # argparse says "invalid int value"


def require_between(option: str, least: int, value: int, most: int, why: str = "") -> None:
    """Refuse a number outside its range.

    Raises:
        ValueError: Names the option and the range.
    """
    if not least <= value <= most:
        raise ValueError(f"{option} must be between {least} and {most}{why}, not {value}")
