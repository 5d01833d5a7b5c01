"""Every harness of the race, by name."""

import functools
from dataclasses import dataclass
from importlib.util import find_spec

from cifar_mlp.benchmarks import other_peers, ours, peers, roofline
from cifar_mlp.benchmarks.laps import Harness
from cifar_mlp.benchmarks.problem import Precision, Problem

BOTH: tuple[Precision, ...] = ("float32", "bfloat16")
SINGLE: tuple[Precision, ...] = ("float32",)


@dataclass(frozen=True)
class Entry:
    """One harness.

    Attributes:
        title: As tables call it.
        run: Trains.
        inputs: What it takes: ``pca``, ``pixels``.
        precisions: What it computes in.
        exact: Whether it takes the given weights and order, so that it must agree with the plain loop step by step.
        needs: Package that must be installed.
        gpu: Whether it can use one.
        trains: Whether it is a training, or only a bound.
    """

    title: str
    run: Harness
    inputs: tuple[str, ...] = ("pca", "pixels")
    precisions: tuple[Precision, ...] = BOTH
    exact: bool = True
    needs: str | None = None
    gpu: bool = True
    trains: bool = True

    def missing(self, device: str) -> str | None:
        """Why it cannot run."""
        if self.needs is not None and find_spec(self.needs) is None:
            return "not installed"
        return f"does not run on {device}" if device != "cpu" and not self.gpu else None


HARNESSES: dict[str, Entry] = {
    "ours": Entry("cifar-mlp fit", ours.train),
    "silent": Entry("cifar-mlp fit, nothing logged or drawn", functools.partial(ours.train, more=ours.SILENT)),
    "plain": Entry("plain PyTorch loop", peers.plain),
    "lightning": Entry("Lightning + TensorDataset DataLoader", peers.tensor_dataset, precisions=SINGLE),
    "whole-batch": Entry("Lightning + whole-batch indexing", peers.whole_batches, precisions=SINGLE),
    "tutorial": Entry("Lightning + torchvision transforms, 0 workers", peers.tutorial, ("pixels",), SINGLE),
    "tutorial-2": Entry(
        "Lightning + torchvision transforms, 2 workers", functools.partial(peers.tutorial, num_workers=2), ("pixels",),
        SINGLE,
    ),
    "sklearn": Entry(
        "scikit-learn MLPClassifier", other_peers.scikit_learn, ("pca",), SINGLE, False, "sklearn", gpu=False
    ),
    "skorch": Entry("skorch NeuralNetClassifier", other_peers.skorch, ("pca",), SINGLE, False, "skorch"),
    "keras": Entry("Keras Model.fit", other_peers.keras, precisions=SINGLE, exact=False, needs="keras"),
    "jax": Entry("JAX, compiled epoch", other_peers.jax, precisions=SINGLE, needs="jax"),
    "roofline": Entry("this machine's limit", roofline.measure, exact=False, trains=False),
}  # fmt: skip


@dataclass(frozen=True)
class Runner:
    """A harness with what it is to train."""

    harness: str
    problem: Problem

    @property
    def entry(self) -> Entry:
        """What is known of the harness."""
        return HARNESSES[self.harness]

    @property
    def inputs(self) -> str:
        """``pca`` or ``pixels``."""
        return "pixels" if self.problem.components is None else "pca"

    @property
    def key(self) -> tuple[str, str, str]:
        """Harness, inputs and precision."""
        return self.harness, self.inputs, self.problem.precision

    @property
    def label(self) -> str:
        """As progress and complaints call it."""
        return f"{self.entry.title}, {self.inputs}, {self.problem.precision}"


def runners(problem: Problem, only: list[str], inputs: list[str], precisions: list[str]) -> list[Runner]:
    """Every harness that was asked for, on each of its inputs and precisions."""
    components = {"pca": problem.components, "pixels": None}
    return [
        Runner(name, problem.variant(components[kind], precision))
        for name, entry in HARNESSES.items()
        for kind in entry.inputs
        for precision in entry.precisions
        if name in only and kind in inputs and precision in precisions
    ]
