"""Curves and accuracies with their spread over seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cifar_mlp.common.spread import Sample
from cifar_mlp.pictures.style import BLUE, BODY, COLOURS, GREY, SMALL, VERMILION, new_figure, plain, titled

# Values an epoch, by tags such as val/accuracy; None where a loss was not finite
Curves = Mapping[str, Sequence[float | None]]
MARKS = "osD^vPX"


class Setting(NamedTuple):
    """One setting on the horizontal axis.

    Attributes:
        name: Below the axis; may have several lines.
        values: Accuracy of each seed, percent.
        stated: The report's figure, percent; ``None`` where it has none.
    """

    name: str
    values: Sequence[float]
    stated: float | None = None


def training_curves(runs: Sequence[Curves], title: str) -> Figure:
    """Loss and accuracy against the epoch: mean over seeds, and a band from the lowest to the highest.

    Args:
        runs: One a seed.
        title: What was trained.
    """
    figure = new_figure(9, 3.7)
    left, right = figure.subplots(1, 2)
    for axes, quantity, unit in ((left, "loss", ""), (right, "accuracy", ", %")):
        scale = 100 if unit else 1
        for stage, name, colour, line in (("train", "training", VERMILION, "--"), ("val", "validation", BLUE, "-")):
            _banded(axes, [run[f"{stage}/{quantity}"] for run in runs], name, colour, line, scale)
        axes.set(xlabel="epoch (245 steps of 200 images)", ylabel=f"{quantity}{unit}")
    return titled(figure, f"{title}: {_seeds([len(runs)])}", 2)


def validation_of_networks(networks: Sequence[tuple[str, Sequence[Curves]]], title: str) -> Figure:
    """Validation accuracy of several networks against the epoch, mean over seeds and a band.

    Args:
        networks: Name, and curves of each seed.
        title: What they are.
    """
    figure = new_figure(7.5, 4.6)
    axes = figure.add_subplot()
    for (name, runs), colour, mark in zip(networks, COLOURS, MARKS, strict=False):
        _banded(axes, [run["val/accuracy"] for run in runs], name, colour, "-", 100, mark)
    axes.set(xlabel="epoch", ylabel="validation accuracy, %")
    return titled(figure, f"{title}: {_seeds([len(runs) for _, runs in networks])}", 2)


def accuracy_against(settings: Sequence[Setting], what: str, title: str) -> Figure:
    """Validation accuracy by setting: every seed a point, their mean with its 95 % interval, the report's figure.

    Args:
        settings: From left to right.
        what: Is set, for the horizontal axis.
        title: Of the picture.
    """
    figure = new_figure(max(4.8, 1.6 + 0.95 * len(settings)), 3.9)
    axes = figure.add_subplot()
    for position, setting in enumerate(settings):
        count, found = len(setting.values), Sample(setting.values)
        axes.plot([position - 0.13] * count, setting.values, "o", color=GREY, ms=3.5, alpha=0.8,
                  label="one seed" if position == 0 else None)  # fmt: skip
        axes.errorbar(position, found.mean, found.half() if count > 1 else 0.0, fmt="s", color=BLUE, ms=5, capsize=4,
                      label="mean, 95 % interval" if position == 0 else None)  # fmt: skip
        axes.annotate(f"{found.mean:.1f}", (position, found.mean), (7, 0), textcoords="offset points", va="center",
                      fontsize=SMALL, color=BLUE)  # fmt: skip
    stated = [
        (position + 0.0, setting.stated) for position, setting in enumerate(settings) if setting.stated is not None
    ]
    if stated:
        axes.plot(*zip(*stated, strict=True), "D", color=VERMILION, mfc="none", ms=7, ls="", label="the report")
    axes.set_xticks(range(len(settings)), [setting.name for setting in settings], fontsize=BODY - 0.5)
    axes.set(xlabel=what, ylabel="validation accuracy, %", xlim=(-0.5, len(settings) - 0.4))
    plain(axes)
    return titled(figure, title, 3)


def loss_curve(losses: Sequence[float], title: str) -> Figure:
    """A loss step by step.

    Args:
        losses: One a step.
        title: What was trained.
    """
    figure = new_figure(5.5, 3.6)
    axes = figure.add_subplot()
    axes.plot(range(len(losses)), losses, color=BLUE)
    axes.set(xlabel="step", ylabel="training loss, nats", ylim=(0, None))
    plain(axes)
    return titled(figure, title)


def _banded(
    axes: Axes, seeds: Sequence[Sequence[float | None]], name: str, colour: str, line: str, scale: float, mark: str = ""
) -> None:
    values = scale * np.array([[math.nan if value is None else value for value in one] for one in seeds], dtype=float)
    epochs = np.arange(1, values.shape[1] + 1)
    alone = values.shape[1] == 1  # a line of one point cannot be seen
    axes.plot(epochs, values.mean(0), color=colour, ls=line, lw=1.6, marker=mark or ("o" if alone else ""), ms=3.5,
              markevery=max(1, len(epochs) // 6), label=name)  # fmt: skip
    axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.18, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if alone:
        axes.set_xlim(0, 2)
    plain(axes)


def _seeds(counts: Sequence[int]) -> str:
    fewest, most = min(counts), max(counts)
    if most == 1:
        return "one seed"
    return f"mean of {fewest if fewest == most else f'{fewest} to {most}'} seeds, bands from the lowest to the highest"
