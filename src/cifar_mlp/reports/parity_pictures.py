"""Error against size and dtype, and the report's Figure 1, as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cifar_mlp.parity.evidence.rows import NORMWISE_TOLERANCE, Row, short

# Okabe and Ito's palette, safe for colour-blind readers; the markers work without colour
STYLE = {
    torch.float64: ("#0072B2", "o"),
    torch.float32: ("#E69F00", "s"),
    torch.bfloat16: ("#009E73", "^"),
    torch.float16: ("#CC79A7", "D"),
}
LINES = {"cpu": "-", "cuda": "--", "mps": ":"}
SMALLEST_SHOWN = 1e-17


def plot_errors(rows: Sequence[Row], sizes: Sequence[str], path: Path) -> None:
    """Draw the largest normwise error of the four gradients against size, for every device and dtype."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for device, line in LINES.items():
        for dtype, (colour, marker) in STYLE.items():
            worst = [_worst_gradient(rows, size, device, short(dtype)) for size in sizes]
            points = {x: max(error, SMALLEST_SHOWN) for x, error in enumerate(worst) if error is not None}
            if points:
                axes.plot(
                    list(points), list(points.values()), color=colour, marker=marker, linestyle=line,
                    label=f"{device} {short(dtype)}",
                )  # fmt: skip
    for dtype, limit in NORMWISE_TOLERANCE.items():
        axes.axhline(limit, color=STYLE[dtype][0], linewidth=1, linestyle="-.")
        text = f"tolerance {short(dtype)}"
        axes.annotate(text, (0, limit), xytext=(2, 3), textcoords="offset points", fontsize=8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(sizes)), [size.replace(":", "\nbatch ") for size in sizes])
    axes.set_xlabel("inputs-hidden-classes")
    axes.set_ylabel("largest normwise error of the gradients")
    axes.set_title("Hand-derived gradients against autograd in float64 on the CPU")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    FigureCanvasAgg(figure).print_png(path)


def plot_losses(losses: Sequence[float], path: Path) -> None:
    """Draw the loss of the toy training, the report's Figure 1."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(len(losses)), losses, color="#0072B2")
    axes.set_xlabel("iteration")
    axes.set_ylabel("training loss")
    axes.set_title(f"Toy training: {losses[0]:.6f} to {losses[-1]:.6f}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    FigureCanvasAgg(figure).print_png(path)


def _worst_gradient(rows: Sequence[Row], case: str, device: str, dtype: str) -> float | None:
    wanted = (case, "hand: loss_and_gradients", device, dtype)
    errors = [
        row.normwise_error
        for row in rows
        if (row.case, row.witness, row.device, row.dtype) == wanted
        and row.tensor in ("w1", "b1", "w2", "b2")
        and row.normwise_error is not None
    ]
    return max(errors, default=None)
