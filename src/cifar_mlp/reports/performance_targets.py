"""Targets for speed and memory, and whether the benchmarks' JSON meets them."""

import operator
from collections.abc import Callable, Sequence

from cifar_mlp.common.results import Row
from cifar_mlp.common.spread import ratios, spread
from cifar_mlp.reports.measured_files import Measured
from cifar_mlp.reports.performance_tables import OURS_PCA
from cifar_mlp.reports.text_table import TextTable, find_row

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
    ("JAX's faster precision", ("pca", "bfloat16"), ("jax", "pca", "either"), 1.2),
    ("JAX's faster precision", ("pixels", "bfloat16"), ("jax", "pixels", "either"), 1.2),
    ("Lightning + torchvision transforms", ("pca", "float32"), TUTORIAL, 8),
    ("Lightning + torchvision transforms", ("pca", "bfloat16"), TUTORIAL, 12),
    ("Lightning + torchvision transforms", ("pixels", "float32"), TUTORIAL, 2),
    ("Lightning + torchvision transforms", ("pixels", "bfloat16"), TUTORIAL, 4),
    ("scikit-learn's MLPClassifier", ("pca", "float32"), SKLEARN, 1.7),
    ("scikit-learn's MLPClassifier", ("pca", "bfloat16"), SKLEARN, 2.5),
    ("our own float32", ("pixels", "bfloat16"), ("ours", "pixels", "float32"), 1.6),
    ("plain loop in float32", ("pixels", "bfloat16"), ("plain", "pixels", "float32"), None),
]
ROOFLINE = 0.7
SHORT_STEPS = {("depth", 1): "softmax regression", ("batch size", 50): "batches of 50"}  # speed / plain loop, required:
SHORT_STEPS_LEAST = 0.9
PCA = {  # by solver of scikit-learn
    "default (randomized), float64": ("≥", 4.0),
    "covariance_eigh, float64": (">", 1.0),
    "covariance_eigh, float32": (">", 1.0),
}


def targets_text(documents: Measured) -> str:
    """The table of all targets, in Markdown, from the jobs ``train``, ``scaling`` and ``pca``."""
    solvers = {row["solver"]: row for row in documents["pca"]["solvers"]}
    train, rows = documents["train"]["implementations"], []
    for label, (inputs, precision), baseline, least in TRAINING:
        words = f"{'components' if inputs == 'pca' else 'pixels'}, {precision}"
        measured = _speed_ratio(_faster(train, "ours", inputs, precision), _faster(train, *baseline))
        rows.append(_row(f"speed / {label}, {words}", measured, ("≥", least) if least else None))
    for roofline in documents["train"]["roofline"]:
        ours = find_row(train, implementation="ours", inputs=roofline["inputs"], precision=roofline["precision"])
        words = f"{'components' if roofline['inputs'] == 'pca' else 'pixels'}, {roofline['precision']}"
        rows.append(_row(f"speed / roofline, {words}", _speed_ratio(ours, roofline), ("≥", ROOFLINE)))
    for point in documents["scaling"]["points"]:
        if (point["axis"], point["value"]) in SHORT_STEPS:
            which = SHORT_STEPS[point["axis"], point["value"]]
            measured = ratios(point["seconds"]["plain"], point["seconds"]["ours"]).median
            rows.append(_row(f"speed / plain loop, {which}, float32", measured, ("≥", SHORT_STEPS_LEAST)))
    for name, required in PCA.items():
        measured = _speed_ratio(solvers[OURS_PCA], solvers.get(f"scikit-learn {name}"))
        rows.append(_row(f"PCA speed / scikit-learn's {name}", measured, required))
    rows.append(_row("PCA, peak extra memory", solvers[OURS_PCA]["peak_bytes"] / 1e6, ("<", 500), " MB"))
    title = "Medians of the rounds' ratios; hardware, date and commit are in the note below each table further down"
    return TextTable(title, ("target", "required", "measured", "met"), rows).markdown()


def _faster(rows: Sequence[Row], name: str, inputs: str, precision: str) -> Row | None:
    """The implementation in that precision, or, if ``precision`` is ``either``, in the one that takes less time."""
    wanted = ("float32", "bfloat16") if precision == "either" else (precision,)
    found = [find_row(rows, implementation=name, inputs=inputs, precision=one) for one in wanted]
    return min((row for row in found if row), key=lambda row: spread(row["seconds"]).median, default=None)


def _speed_ratio(ours: Row | None, baseline: Row | None) -> float | None:
    return ratios(baseline["seconds"], ours["seconds"]).median if ours and baseline else None


def _row(label: str, measured: float | None, required: tuple[str, float] | None, unit: str = "") -> list[str]:
    sign, bound = required or ("", 0.0)
    met = "" if measured is None or required is None else "yes" if COMPARISONS[sign](measured, bound) else "no"
    shown = "not measured" if measured is None else f"{measured:.3g}{unit}"
    return [label, f"{sign} {bound:g}{unit}" if required else "", shown, met]
