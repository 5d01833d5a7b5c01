"""Gradients by hand beside autograd's, as bars."""

from typing import Any

from matplotlib.figure import Figure

from cifar_mlp.benchmarks.bars import Bar, draw, machine
from cifar_mlp.parity.speed import HAND
from cifar_mlp.pictures.style import BLACK, TITLE, new_figure


def times(document: dict[str, Any]) -> Figure:
    """A row for each size: milliseconds, and the speed to the baseline with quartiles as whiskers.

    Args:
        document: Of the job ``parity``.
    """
    sizes = list(dict.fromkeys(timing["size"] for timing in document["timings"]))
    rows = [[timing for timing in document["timings"] if timing["size"] == size] for size in sizes]
    figure = new_figure(9.5, 0.7 + sum(0.9 + 0.3 * len(row) for row in rows))
    panels = figure.subplots(len(rows), 2, squeeze=False, sharey="row", height_ratios=[len(row) for row in rows])
    for (left, right), size, row in zip(panels, sizes, rows, strict=True):
        ours = [timing["candidate"] == HAND for timing in row]
        took = [Bar(timing["candidate"], timing["milliseconds"], None, mine)
                for timing, mine in zip(row, ours, strict=True)]  # fmt: skip
        speed = [Bar(timing["candidate"], timing["speed"], timing["speed_quartiles"], mine)
                 for timing, mine in zip(row, ours, strict=True)]  # fmt: skip
        draw(left, took, size, "milliseconds", "{:.3g}")
        draw(right, speed, "", f"times as fast as {document['baseline']}", "{:.2f}")
        right.axvline(1, color=BLACK, ls="--", lw=1)
    figure.suptitle(
        "Loss and gradients, float32: hatched is this package; whiskers: quartiles\n"
        f"inputs-hidden-classes:batch, {machine(document)}",
        fontsize=TITLE,
    )
    return figure
