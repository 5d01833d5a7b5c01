"""Error against size and dtype."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from cifar_mlp.parity.evidence.rows import NORMWISE_TOLERANCE, Row, short
from cifar_mlp.pictures.style import BLUE, BODY, GREEN, ORANGE, PURPLE, SMALL, new_figure, plain, titled

STYLE = {  # markers, so that it can be read without colour
    torch.float64: (BLUE, "o"), torch.float32: (ORANGE, "s"),
    torch.bfloat16: (GREEN, "^"), torch.float16: (PURPLE, "D"),
}  # fmt: skip
LINES = {"cpu": "-", "cuda": "--", "mps": ":"}
SMALLEST_SHOWN = 1e-17


def gradient_errors(rows: Sequence[Row], sizes: Sequence[str]) -> Figure:
    """The largest normwise error of the four gradients against size, for every device and dtype."""
    figure = new_figure(8, 5)
    axes = figure.add_subplot()
    for device, line in LINES.items():
        for dtype, (colour, marker) in STYLE.items():
            worst = [_worst_gradient(rows, size, device, short(dtype)) for size in sizes]
            points = {x: max(error, SMALLEST_SHOWN) for x, error in enumerate(worst) if error is not None}
            if points:
                axes.plot(list(points), list(points.values()), color=colour, marker=marker, ls=line,
                          label=f"{device} {short(dtype)}")  # fmt: skip
    for dtype, limit in NORMWISE_TOLERANCE.items():
        axes.axhline(limit, color=STYLE[dtype][0], lw=1, ls="-.")
        text = f"tolerance {short(dtype)}"
        axes.annotate(text, (0, limit), xytext=(2, 3), textcoords="offset points", fontsize=SMALL)
    axes.set(xlabel="inputs-hidden-classes", ylabel="largest normwise error of the gradients", yscale="log")
    axes.set_xticks(range(len(sizes)), [size.replace(":", "\nbatch ") for size in sizes])
    plain(axes, "y")
    figure.legend(fontsize=BODY, loc="outside right center", frameon=False)
    return titled(figure, "Hand-derived gradients against autograd in float64 on the CPU")


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
