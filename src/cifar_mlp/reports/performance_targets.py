"""Targets for speed and memory, and whether the benchmarks' JSON meets them."""

import operator
from collections.abc import Callable

from cifar_mlp.common.results import Row
from cifar_mlp.common.spread import ratios
from cifar_mlp.reports.measured_files import Measured
from cifar_mlp.reports.performance_tables import OURS_PCA, TextTable, find_row

COMPARISONS: dict[str, Callable[[float, float], bool]] = {"≥": operator.ge, ">": operator.gt, "<": operator.lt}
TUTORIAL, SKLEARN = ("tutorial", "pixels", "float32"), ("sklearn", "pca", "float32")
# Label; inputs and precision of ours; implementation, inputs and precision of the baseline; the required ratio of our
# speed to the baseline's (None: shown, but not required).
TRAINING: list[tuple[str, tuple[str, str], tuple[str, str, str], float | None]] = [
    ("plain loop", ("pca", "float32"), ("plain", "pca", "float32"), 1.3),
    ("plain loop", ("pixels", "float32"), ("plain", "pixels", "float32"), 1.3),
    ("plain loop", ("pca", "bfloat16"), ("plain", "pca", "bfloat16"), 1.15),
    ("plain loop", ("pixels", "bfloat16"), ("plain", "pixels", "bfloat16"), 1.15),
    ("JAX's compiled epoch", ("pca", "float32"), ("jax", "pca", "float32"), 1.1),
    ("JAX's compiled epoch", ("pixels", "float32"), ("jax", "pixels", "float32"), 1.1),
    ("JAX's compiled epoch in float32", ("pca", "bfloat16"), ("jax", "pca", "float32"), 1.2),
    ("JAX's compiled epoch in float32", ("pixels", "bfloat16"), ("jax", "pixels", "float32"), 1.2),
    ("Lightning + torchvision transforms", ("pca", "float32"), TUTORIAL, 8),
    ("Lightning + torchvision transforms", ("pca", "bfloat16"), TUTORIAL, 12),
    ("Lightning + torchvision transforms", ("pixels", "float32"), TUTORIAL, 2),
    ("Lightning + torchvision transforms", ("pixels", "bfloat16"), TUTORIAL, 4),
    ("scikit-learn's MLPClassifier", ("pca", "float32"), SKLEARN, 1.7),
    ("scikit-learn's MLPClassifier", ("pca", "bfloat16"), SKLEARN, 2.5),
    ("our own float32", ("pixels", "bfloat16"), ("ours", "pixels", "float32"), 1.6),
    ("plain loop in float32", ("pixels", "bfloat16"), ("plain", "pixels", "float32"), None),
]
PCA = {  # by solver of scikit-learn
    "default (randomized), float64": ("≥", 4.0),
    "covariance_eigh, float64": (">", 1.0),
    "covariance_eigh, float32": (">", 1.0),
}


def targets_text(documents: Measured) -> str:
    """The table of all targets, in Markdown, from the jobs ``train`` and ``pca``."""
    solvers = {row["solver"]: row for row in documents["pca"]["solvers"]}
    rows = []
    for label, (inputs, precision), baseline, least in TRAINING:
        words = f"{'components' if inputs == 'pca' else 'pixels'}, {precision}"
        ours, other = (
            find_row(documents["train"]["implementations"], implementation=name, inputs=kind, precision=dtype)
            for name, kind, dtype in (("ours", inputs, precision), baseline)
        )
        measured = _speed_ratio(ours, other)
        rows.append(_row(f"speed / {label}, {words}", measured, ("≥", least) if least else None))
    for name, required in PCA.items():
        measured = _speed_ratio(solvers[OURS_PCA], solvers.get(f"scikit-learn {name}"))
        rows.append(_row(f"PCA speed / scikit-learn's {name}", measured, required))
    rows.append(_row("PCA, peak extra memory", solvers[OURS_PCA]["peak_bytes"] / 1e6, ("<", 500), " MB"))
    title = "Medians of the rounds' ratios; machine, date and commit are given below the tables further down"
    return TextTable(title, ("target", "required", "measured", "met"), rows).markdown()


def _speed_ratio(ours: Row | None, baseline: Row | None) -> float | None:
    return ratios(baseline["seconds"], ours["seconds"]).median if ours and baseline else None


def _row(label: str, measured: float | None, required: tuple[str, float] | None, unit: str = "") -> list[str]:
    sign, bound = required or ("", 0.0)
    met = "" if measured is None or required is None else "yes" if COMPARISONS[sign](measured, bound) else "no"
    shown = "not measured" if measured is None else f"{measured:.3g}{unit}"
    return [label, f"{sign} {bound:g}{unit}" if required else "", shown, met]
