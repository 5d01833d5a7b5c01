"""What was aimed at in speed and memory, and what was reached: made from the benchmarks' JSON and from nothing else."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

from cifar_mlp.reports.measured_files import Measured
from cifar_mlp.reports.performance_tables import TextTable, markdown

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "≥": operator.ge, "≤": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip

EXACT = "this package, exact"
CACHED = "cifar-mlp fit, CIFAR-10, PCA 510 from the cache, first step"
LEAST = "the least Lightning training, first step"


@dataclass(frozen=True)
class Training:
    """The median ratio of our speed to a peer's.

    Attributes:
        inputs: Ours.
        precision: Ours.
        peer: Its harness, inputs and precision.
    """

    inputs: str
    precision: str
    peer: tuple[str, str, str]

    def measured(self, documents: Measured) -> float | None:
        """In the job ``train``; None where one of the two was not run."""
        for row in documents["train"]["harnesses"]:
            if (row["harness"], row["inputs"], row["precision"]) == ("ours", self.inputs, self.precision):
                for to in row["speed_to"]:
                    if (to["harness"], to["inputs"], to["precision"]) == self.peer:
                        return float(to["median"])
        return None


@dataclass(frozen=True)
class Components:
    """How many times as fast as a solver of principal components ours is, by the median."""

    solver: str

    def measured(self, documents: Measured) -> float | None:
        """In the job ``pca``."""
        found = [row["ours_faster"]["median"] for row in documents["pca"]["solvers"] if row["solver"] == self.solver]
        return float(found[0]) if found else None


@dataclass(frozen=True)
class Megabytes:
    """The peak of a solver's extra memory."""

    solver: str

    def measured(self, documents: Measured) -> float | None:
        """In the job ``pca``."""
        found = [row["peak_bytes"] / 1e6 for row in documents["pca"]["solvers"] if row["solver"] == self.solver]
        return float(found[0]) if found else None


@dataclass(frozen=True)
class Later:
    """By how many seconds one command ends later than another, of medians."""

    command: str
    than: str

    def measured(self, documents: Measured) -> float | None:
        """In the job ``startup``."""
        medians = {row["command"]: row["seconds"]["median"] for row in documents["startup"]["commands"]}
        if self.command not in medians or self.than not in medians:
            return None
        return float(medians[self.command] - medians[self.than])


@dataclass(frozen=True)
class Aim:
    """A number that was aimed at.

    Attributes:
        words: What it is.
        number: Where it stands.
        asked: Comparison and bound; None where nothing was asked.
        unit: Behind the numbers.
    """

    words: str
    number: Training | Components | Megabytes | Later
    asked: tuple[str, float] | None
    unit: str = ""


def _plain(inputs: str, precision: str) -> Training:
    return Training(inputs, precision, ("plain", inputs, precision))


TUTORIAL = ("tutorial", "pixels", "float32")
SKLEARN = ("sklearn", "pca", "float32")
AIMS = (
    Aim("times the plain loop, components, float32", _plain("pca", "float32"), ("≥", 0.95)),
    Aim("times the plain loop, pixels, float32", _plain("pixels", "float32"), ("≥", 0.95)),
    Aim("times the plain loop, components, bfloat16", _plain("pca", "bfloat16"), ("≥", 0.85)),
    Aim("times the plain loop, pixels, bfloat16", _plain("pixels", "bfloat16"), ("≥", 0.85)),
    Aim("times the tutorial's recipe, components, float32", Training("pca", "float32", TUTORIAL), ("≥", 8)),
    Aim("times the tutorial's recipe, components, bfloat16", Training("pca", "bfloat16", TUTORIAL), ("≥", 12)),
    Aim("times the tutorial's recipe, pixels, float32", Training("pixels", "float32", TUTORIAL), ("≥", 2)),
    Aim("times the tutorial's recipe, pixels, bfloat16", Training("pixels", "bfloat16", TUTORIAL), ("≥", 4)),
    Aim("times scikit-learn's MLPClassifier, components, float32", Training("pca", "float32", SKLEARN), ("≥", 1.7)),
    Aim("times scikit-learn's MLPClassifier, components, bfloat16", Training("pca", "bfloat16", SKLEARN), ("≥", 2.5)),
    Aim("pixels, bfloat16, times this package's own float32",
        Training("pixels", "bfloat16", ("ours", "pixels", "float32")), ("≥", 1.6)),
    Aim("pixels, bfloat16, times PyTorch's own float32, the plain loop",
        Training("pixels", "bfloat16", ("plain", "pixels", "float32")), None),
    Aim("PCA, times scikit-learn's default, float64",
        Components("scikit-learn default (randomized), float64"), ("≥", 4)),
    Aim("PCA, times scikit-learn's covariance_eigh, float64",
        Components("scikit-learn covariance_eigh, float64"), (">", 1)),
    Aim("PCA, times scikit-learn's covariance_eigh, float32",
        Components("scikit-learn covariance_eigh, float32"), (">", 1)),
    Aim("PCA, peak extra memory", Megabytes(EXACT), ("<", 500), " MB"),
    Aim("first step with PCA from the cache, later than the least Lightning training's",
        Later(CACHED, LEAST), ("≤", 3), " s"),
)  # fmt: skip


def targets_text(documents: Measured) -> str:
    """The table of all aims, in Markdown.

    Args:
        documents: The jobs ``train``, ``pca`` and ``startup`` at least.
    """
    title = "Medians, of ratios round by round; machine, date and commit stand below the tables further down"
    table = TextTable(title, ("aim", "asked", "measured", "reached"), [_row(aim, documents) for aim in AIMS])
    return "\n".join(markdown(table))


def _row(aim: Aim, documents: Measured) -> list[str]:
    number = aim.number.measured(documents)
    shown = "" if number is None else f"{number:.3g}{aim.unit}"
    if aim.asked is None:
        return [aim.words, "", shown, "not measured" if number is None else ""]
    sign, bound = aim.asked
    reached = "not measured" if number is None else "yes" if COMPARISONS[sign](number, bound) else "no"
    return [aim.words, f"{sign} {bound:g}{aim.unit}", shown, reached]
