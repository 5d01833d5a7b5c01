"""A search for settings in pictures: its history, what mattered, and which settings went with which accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cifar_mlp.pictures.style import BLUE, BODY, GREY, HEAT, ORANGE, SMALL, VERMILION, new_figure, plain, titled

ACCURACY = "validation accuracy, %"


def history(name: str, trials: Sequence[tuple[int, str, float]]) -> Figure:
    """Accuracy of each trial, and the best so far.

    Args:
        name: The search's name.
        trials: Number, state (COMPLETE or PRUNED) and accuracy in 0..1 of each, by number.
    """
    figure = new_figure(7, 3.8)
    axes = figure.add_subplot()
    trials = sorted(trials)
    for state, colour, mark, label in (
        ("COMPLETE", BLUE, "o", "completed, last epoch"),
        ("PRUNED", ORANGE, "x", "pruned, when it was stopped"),
    ):
        chosen = [(number, 100 * value) for number, kind, value in trials if kind == state]
        if chosen:
            numbers, accuracies = zip(*chosen, strict=True)
            axes.scatter(numbers, accuracies, color=colour, marker=mark, s=26, label=label, zorder=2)
    complete = [(number, 100 * value) for number, kind, value in trials if kind == "COMPLETE"]
    if complete:
        best = np.maximum.accumulate([value for _, value in complete]).tolist()
        axes.step(
            [*(number for number, _ in complete), trials[-1][0]],
            [*best, best[-1]],
            where="post",
            color=VERMILION,
            label="best so far",
        )
    axes.set(xlabel="trial", ylabel=ACCURACY)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(axes)
    return titled(figure, f"{name}: trials of the search", 3)


def importance(name: str, shares: Mapping[str, float], num_trials: int) -> Figure:
    """How much of the accuracies' variance each option explains.

    Args:
        name: The search's name.
        shares: Share in 0..1 by option.
        num_trials: Completed trials that the shares come from.
    """
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = new_figure(7, 1.5 + 0.3 * len(ordered))
    axes = figure.add_subplot()
    bars = axes.barh([option for option, _ in ordered], [100 * share for _, share in ordered], color=BLUE)
    axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=SMALL)
    axes.set(xlabel="share of the accuracies' variance (fANOVA), %")
    axes.margins(x=0.12)
    axes.tick_params(axis="y", labelsize=BODY, length=0)
    plain(axes)
    return titled(figure, f"{name}: what mattered, from {num_trials} completed trials")


def parallel_coordinates(
    name: str, options: Mapping[str, Sequence[Any]], values: Sequence[float], logarithmic: set[str]
) -> Figure:
    """A line a trial, coloured by accuracy, through the values of every option.

    Args:
        name: The search's name.
        options: Values of each option, a trial each.
        values: Accuracy of each trial, in 0..1.
        logarithmic: Options drawn on a logarithmic scale.
    """
    figure = new_figure(max(6.5, 1.4 * (len(options) + 1)), 4.6)
    axes = figure.add_subplot()
    percents = 100 * np.asarray(values)
    columns = [_column(given, option in logarithmic) for option, given in options.items()]
    columns.append(_column(list(percents), False))
    norm, colours = Normalize(percents.min(), percents.max()), colormaps[HEAT]
    heights = np.array([places for places, _ in columns])
    for trial in np.argsort(percents):
        best = trial == percents.argmax()
        look = {"color": VERMILION, "lw": 2.2, "label": "best trial"} if best else {"alpha": 0.75, "lw": 1.0}
        axes.plot(heights[:, trial], **{"color": colours(norm(percents[trial])), **look})
    for position, (_, ticks) in enumerate(columns):
        axes.axvline(position, color=GREY, lw=0.8, zorder=0)
        for height, text in ticks:
            axes.annotate(text, (position, height), (3, 0), textcoords="offset points", fontsize=SMALL, va="center",
                          bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5})  # fmt: skip
    axes.set_xticks(range(len(columns)), [*(_wrapped(option) for option in options), "validation\naccuracy, %"])
    axes.tick_params(axis="x", labelsize=SMALL, length=0)
    axes.set_yticks([])
    axes.set(xlim=(-0.2, len(columns) - 0.6), ylim=(-0.06, 1.06))
    axes.spines[:].set_visible(False)
    figure.colorbar(ScalarMappable(norm, colours), ax=axes, label=ACCURACY, pad=0.01)
    return titled(figure, f"{name}: settings and accuracy of {len(values)} completed trials", 1)


def _column(given: Sequence[Any], logarithmic: bool) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights in 0..1 of the values, and the heights and words of some ticks."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        numbers = np.asarray(given, dtype=float)
        low, high = numbers.min(), numbers.max()
        scale = np.log if logarithmic else np.asarray
        span = scale(high) - scale(low)
        heights = (scale(numbers) - scale(low)) / span if span else np.full(len(numbers), 0.5)
        ends = np.geomspace(low, high, 5) if logarithmic else np.linspace(low, high, 5)
        marks = ends if span else ends[:1]
        places = np.linspace(0, 1, 5) if span else [0.5]
        return heights, [(float(place), f"{mark:.3g}") for place, mark in zip(places, marks, strict=True)]
    words = [str(value) for value in given]
    kinds = sorted(set(words))
    where = {word: (number + 0.5) / len(kinds) for number, word in enumerate(kinds)}
    return np.array([where[word] for word in words]), [(place, word) for word, place in where.items()]


def _wrapped(option: str) -> str:
    start, _, last = option.rpartition(".")
    return f"{start}.\n{last}" if start else last
