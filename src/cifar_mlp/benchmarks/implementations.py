"""The implementations that are compared, by name."""

import functools
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import NamedTuple

from cifar_mlp.benchmarks import library_baselines, our_fit, roofline, torch_baselines
from cifar_mlp.benchmarks.epochs import Train
from cifar_mlp.benchmarks.problem import Precision, Problem

BOTH: tuple[Precision, ...] = ("float32", "bfloat16")
SINGLE: tuple[Precision, ...] = ("float32",)


@dataclass(frozen=True)
class Implementation:
    """One way to train the network."""

    name: str  # on the command line
    title: str  # in tables
    train: Train
    inputs: tuple[str, ...] = ("pca", "pixels")
    precisions: tuple[Precision, ...] = BOTH
    exact: bool = True  # takes the given weights and order, so it must match the plain loop step by step
    needs: str | None = None  # a package
    gpu: bool = True  # can use one
    needs_compiler: bool = False  # for C++
    trains: bool = True  # False: only a bound on the speed

    def missing(self, device: str) -> str | None:
        """The reason why it cannot run, if there is one."""
        if self.needs is not None and find_spec(self.needs) is None:
            return "not installed"
        if self.needs_compiler and not any(map(shutil.which, ("g++", "clang++"))):
            return "no C++ compiler"
        return f"does not run on {device}" if device != "cpu" and not self.gpu else None


IMPLEMENTATIONS = {one.name: one for one in (
    Implementation("ours", "cifar-mlp fit", our_fit.train),
    Implementation("silent", "cifar-mlp fit, nothing logged or drawn",
                   functools.partial(our_fit.train, more=our_fit.SILENT)),
    Implementation("plain", "plain PyTorch loop", torch_baselines.plain),
    Implementation("lightning", "Lightning + TensorDataset DataLoader", torch_baselines.tensor_dataset,
                   precisions=SINGLE),
    Implementation("whole-batch", "Lightning + whole-batch indexing", torch_baselines.whole_batches,
                   precisions=SINGLE),
    Implementation("tutorial", "Lightning + torchvision transforms, 0 workers", torch_baselines.tutorial,
                   ("pixels",), SINGLE),
    Implementation("tutorial-2", "Lightning + torchvision transforms, 2 workers",
                   functools.partial(torch_baselines.tutorial, num_workers=2), ("pixels",), SINGLE),
    Implementation("sklearn", "scikit-learn MLPClassifier", library_baselines.scikit_learn, ("pca",), SINGLE,
                   exact=False, needs="sklearn", gpu=False),
    Implementation("skorch", "skorch NeuralNetClassifier", library_baselines.skorch, ("pca",), SINGLE,
                   exact=False, needs="skorch"),
    Implementation("keras", "Keras Model.fit", library_baselines.keras, precisions=SINGLE, exact=False, needs="keras"),
    Implementation("jax", "JAX, compiled epoch", library_baselines.jax, needs="jax"),
    Implementation("compiled", "plain PyTorch loop, torch.compile of the step", torch_baselines.compiled,
                   needs_compiler=True),
    Implementation("roofline", "roofline", roofline.measure, exact=False, trains=False),
)}  # fmt: skip


class TimedRun(NamedTuple):
    """An implementation and the problem that it trains."""

    implementation: Implementation
    problem: Problem

    @property
    def label(self) -> str:
        """For progress and error messages."""
        return f"{self.implementation.title}, {self.problem.inputs}, {self.problem.precision}"


def choose(
    problem: Problem, only: Collection[str], inputs: Collection[str], precisions: Collection[str]
) -> tuple[list[TimedRun], list[str]]:
    """The chosen implementations on each of their inputs and precisions.

    Returns:
        The runs, and one line for each implementation that cannot run here.

    Raises:
        ValueError: If nothing is left to run.
    """
    components = {"pca": problem.components, "pixels": None}
    runs = [
        TimedRun(implementation, replace(problem, components=components[kind], precision=precision))
        for implementation in IMPLEMENTATIONS.values()
        for kind in implementation.inputs
        for precision in implementation.precisions
        if implementation.name in only and kind in inputs and precision in precisions
    ]
    if not runs:
        raise ValueError("--only, --inputs and --precision leave nothing to run")
    reasons = {run: run.implementation.missing(problem.device) for run in runs}
    absent = dict.fromkeys(f"{run.implementation.title}: not run ({why})" for run, why in reasons.items() if why)
    present = [run for run in runs if not reasons[run]]
    if not present:
        raise ValueError(f"--only leaves nothing that can run ({', '.join(absent)}); add another, such as plain")
    return present, list(absent)
