"""Error against size and dtype, and the report's Figure 1."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cifar_mlp.parity.evidence.rows import Row

# Okabe and Ito's colours, told apart with any kind of colour vision; the markers say the same without colour
STYLE = {
    "float64": ("#0072B2", "o"),
    "float32": ("#E69F00", "s"),
    "bfloat16": ("#009E73", "^"),
    "float16": ("#CC79A7", "D"),
}
LIMITS = {"float64": 1e-12, "float32": 1e-5}
LINES = {"cpu": "-", "cuda": "--", "mps": ":"}
SMALLEST_SHOWN = 1e-17


def plot_errors(rows: Sequence[Row], sizes: Sequence[str], path: Path) -> None:
    """Draw the largest normwise error of the four gradients for every size, dtype and device.

    float64 on the CPU, where by hand is the reference itself, is autograd's distance from it.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for device, line in LINES.items():
        for dtype, (colour, marker) in STYLE.items():
            itself = (device, dtype) == ("cpu", "float64")
            witness = "autograd" if itself else "hand: loss_and_gradients"
            points = {
                place: max(error, SMALLEST_SHOWN)
                for place, size in enumerate(sizes)
                if (error := _worst_gradient(rows, size, witness, device, dtype)) is not None
            }
            if points:
                label = f"{device} {dtype}" + (" (autograd)" if itself else "")
                axes.plot(
                    list(points),
                    list(points.values()),
                    color=colour,
                    marker=marker,
                    linestyle=line,
                    label=label,
                )
    for dtype, limit in LIMITS.items():
        axes.axhline(limit, color=STYLE[dtype][0], linewidth=1, linestyle="-.")
        axes.annotate(f"limit {dtype}", (0, limit), xytext=(2, 3), textcoords="offset points", fontsize=8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(sizes)), [size.replace(":", "\nbatch ") for size in sizes])
    axes.set_xlabel("inputs-hidden-classes")
    axes.set_ylabel("largest normwise error of the gradients")
    axes.set_title("Gradients by hand against float64 on the CPU")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    save(figure, path)


def plot_losses(losses: Sequence[float], path: Path) -> None:
    """Draw the toy training's loss, the report's Figure 1."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(len(losses)), losses, color="#0072B2")
    axes.set_xlabel("iteration")
    axes.set_ylabel("training loss")
    axes.set_title(f"Toy training: {losses[0]:.6f} to {losses[-1]:.6f}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without a display and without pyplot's global state."""
    FigureCanvasAgg(figure).print_png(path)


def _worst_gradient(rows: Sequence[Row], case: str, witness: str, device: str, dtype: str) -> float | None:
    errors = [
        row.normwise_error
        for row in rows
        if (row.case, row.witness, row.device, row.dtype) == (case, witness, device, dtype)
        and row.tensor in ("w1", "b1", "w2", "b2")
        and row.normwise_error is not None
    ]
    return max(errors, default=None)
