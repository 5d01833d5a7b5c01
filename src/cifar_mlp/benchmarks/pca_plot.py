"""Seconds and memory of fitting principal components, as bars."""

from typing import Any

from matplotlib.figure import Figure

from cifar_mlp.benchmarks.bars import Bar, draw, machine
from cifar_mlp.pictures.style import TITLE, new_figure


def seconds_and_memory(document: dict[str, Any]) -> Figure:
    """The fastest on top; the range of the seconds as whiskers.

    Args:
        document: Of the job ``pca``.
    """
    rows = sorted(document["solvers"], key=lambda row: float(row["seconds"]["median"]))
    figure = new_figure(9.5, 1.4 + 0.3 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    seconds, memory = [], []
    for row in rows:
        ours = row["solver"].startswith("this package")
        seconds.append(Bar(row["solver"], row["seconds"]["median"], row["seconds"]["range"], ours))
        memory.append(Bar(row["solver"], row["peak_bytes"] / 1e6, None, ours))
    draw(left, seconds, "time of a fit", "seconds", "{:.2f}")
    draw(right, memory, "memory at its peak, above the images' own", "MB")
    problem = document["problem"]
    figure.suptitle(
        "Fitting principal components: hatched is this package; whiskers: all rounds\n"
        f"{problem['images']:,} images of {problem['data']}, 3,072 pixels to {problem['components']} components, "
        f"{machine(document)}",
        fontsize=TITLE,
    )
    return figure
