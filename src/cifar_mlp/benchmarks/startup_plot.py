"""Seconds until something happens, and of imports, as bars."""

from typing import Any

from matplotlib.figure import Figure

from cifar_mlp.benchmarks.bars import Bar, draw, machine
from cifar_mlp.pictures.style import TITLE, new_figure


def waits(document: dict[str, Any]) -> Figure:
    """Commands as they are tabled, with the range of their seconds as whiskers; below, what imports take.

    Args:
        document: Of the job ``startup``.
    """
    commands = [
        Bar(row["command"], row["seconds"]["median"], row["seconds"]["range"], row["command"].startswith("cifar-mlp"))
        for row in document["commands"]
    ]
    imports = [Bar(row["package"], row["seconds"], None, row["package"] == "cifar_mlp") for row in document["imports"]]
    counts = [len(commands), len(imports)]
    figure = new_figure(9.5, 2.5 + 0.25 * sum(counts))
    above, below = figure.subplots(2, 1, height_ratios=counts)
    draw(above, commands, "a fresh process, from its start to its end", "seconds", "{:.2f}")
    draw(below, imports, "importing cifar_mlp.cli, by package", "seconds of its own", "{:.2f}")
    figure.suptitle(f"Start-up: hatched is this package; whiskers: all rounds\n{machine(document)}", fontsize=TITLE)
    return figure
