"""The benchmarks' pictures: bars and curves of what ``benchmark.json`` holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from cifar_mlp.common.spread import Spread, spread
from cifar_mlp.pictures.style import BLACK, BLUE, BODY, GREY, ORANGE, SMALL, TITLE, VERMILION, new_figure, plain, titled
from cifar_mlp.reports.measured_where import in_threads, machine, network
from cifar_mlp.reports.performance_tables import work_ratios
from cifar_mlp.reports.train_tables import INPUTS, images_per_second

COLOURS = {"float32": BLUE, "bfloat16": VERMILION}
AXIS_LABELS = {"batch size": "images in a batch", "width": "width, hidden layers times", "depth": "affine layers",
               "images": "images in an epoch", "threads": "threads"}  # fmt: skip
CURVES = {
    "ours": ("cifar-mlp fit", BLUE, "o-"),
    "plain": ("plain PyTorch loop", ORANGE, "s-"),
    "roofline": ("roofline", BLACK, "--"),
}


def training_speed(document: dict[str, Any]) -> Figure:
    """A panel for each kind of inputs, the fastest on top; quartiles as whiskers, rooflines as dashed lines."""
    problem = document["problem"]
    speeds_of: dict[str, list[tuple[Spread, dict[str, Any]]]] = {}
    for row in document["implementations"]:
        speeds_of.setdefault(row["inputs"], []).append((images_per_second(row, document), row))
    counts = [len(speeds) for speeds in speeds_of.values()]
    figure = new_figure(9.5, sum(0.9 + 0.3 * count for count in counts) + 0.7)
    all_axes = figure.subplots(len(counts), 1, squeeze=False, height_ratios=counts)[:, 0]
    for axes, (kind, speeds) in zip(all_axes, speeds_of.items(), strict=True):
        speeds.sort(key=lambda pair: -pair[0].median)
        draw_bars(
            axes,
            [f"{row['title']}, {row['precision']}" for _, row in speeds],
            [speed.median for speed, _ in speeds],
            [speed.quartiles for speed, _ in speeds],
            colours=[COLOURS[row["precision"]] for _, row in speeds],
        )
        axes.set_title(INPUTS[kind].format(**problem), fontsize=BODY, loc="left")
        axes.set_xlabel("images/s", fontsize=BODY)
        for row in document["roofline"]:
            if row["inputs"] == kind:
                speed = images_per_second(row, document).median
                axes.axvline(speed, ls="--", lw=1.2, color=COLOURS[row["precision"]])
    return titled(
        figure,
        "Training speed: hatched is this package; dashed: roofline; blue float32, orange bfloat16; whiskers: quartiles"
        f"\n{network(document)}, {problem['images']:,} images of {problem['data']}, {machine(document['environment'])}",
    )


def pca_cost(document: dict[str, Any]) -> Figure:
    """Seconds, with their range as whiskers, and memory of each solver; the fastest on top."""
    rows = sorted(document["solvers"], key=lambda row: spread(row["seconds"]).median)
    names, seconds = [row["solver"] for row in rows], [spread(row["seconds"]) for row in rows]
    figure = new_figure(9.5, 1.4 + 0.3 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    draw_bars(left, names, [taken.median for taken in seconds], [taken.range for taken in seconds], "{:.2f}")
    draw_bars(right, names, [row["peak_bytes"] / 1e6 for row in rows])
    left.set_xlabel("seconds", fontsize=BODY)
    right.set_xlabel("MB at the peak, without the images", fontsize=BODY)
    problem = document["problem"]
    return titled(
        figure,
        "Fitting principal components: hatched is this package; whiskers: all rounds\n"
        f"{problem['images']:,} images of {problem['data']}, 3,072 pixels to {problem['components']} components, "
        f"{machine(document['environment'])}",
    )


def scaling_curves(document: dict[str, Any]) -> Figure:
    """A log-log panel for each axis, quartiles as bands."""
    names = [name for name in AXIS_LABELS if any(row["axis"] == name for row in document["points"])]
    lines = -(-len(names) // 3)
    figure = new_figure(3.4 * min(3, len(names)), 3.3 * lines + 0.8)
    grid = figure.subplots(lines, min(3, len(names)), squeeze=False)
    for panel in grid.flat[len(names) :]:
        panel.remove()
    for panel, name in zip(grid.flat, names, strict=False):
        _draw_curves(panel, [row for row in document["points"] if row["axis"] == name])
        panel.set_xlabel(AXIS_LABELS[name], fontsize=BODY)
    for panel in grid[:, 0]:
        panel.set_ylabel("images/s", fontsize=BODY)
    problem = document["problem"]
    return titled(
        figure,
        f"Training speed, {problem['precision']}; one thing changes, the rest stays at:\n{problem['components']} "
        f"principal components, {network(document)}, {problem['images']:,} images, {in_threads(problem['threads'])}",
        3,
    )


def work_by_processes(document: dict[str, Any]) -> Figure:
    """Work done in the same time, relative to one process; dashed: in proportion, as far as there are cores."""
    figure = new_figure(6.5, 3.8)
    axes, most = figure.subplots(), max(row["processes"] for row in document["processes"])
    axes.plot([1, most], [1, most], "--", color=GREY, label="in proportion")
    for (kind, times), style, colour in zip(work_ratios(document).items(), ("o-", "s-"), (BLUE, ORANGE), strict=True):
        axes.plot(list(times), [found.median for found in times.values()], style, color=colour, label=kind)
        axes.fill_between(list(times), *np.transpose([found.range for found in times.values()]), color=colour,
                          alpha=0.2, lw=0)  # fmt: skip
    axes.set_xticks(list(times))
    axes.set(xlabel="processes, one thread each", ylabel="work in the same time, one process = 1", ylim=(0, None))
    axes.legend(fontsize=SMALL, frameon=False)
    plain(axes)
    problem = document["problem"]
    axes.set_title(f"{problem['cores']} cores, {document['rounds']} rounds; bands: range", fontsize=TITLE)
    return figure


def draw_bars(
    axes: Axes,
    labels: Sequence[str],
    values: Sequence[float],
    ends: Sequence[tuple[float, float]] | None = None,
    number: str = "{:,.0f}",
    colours: Sequence[str] | str = BLUE,
) -> None:
    """Fill a panel from the top: bars with values in the format ``number``, whiskers at ``ends``, ours hatched."""
    hatches = ["//" if label.startswith(("cifar-mlp", "this package")) else "" for label in labels]
    whiskers = None if ends is None else np.abs(np.transpose(ends) - np.array(values))
    positions = range(len(labels))
    bars = axes.barh(positions, values, 0.7, color=colours, hatch=hatches, edgecolor="white", lw=0, xerr=whiskers,
                     error_kw={"lw": 1, "capsize": 2})  # fmt: skip
    axes.bar_label(bars, fmt=number, padding=5, fontsize=SMALL, bbox={"fc": "white", "ec": "none", "pad": 0.8})
    axes.set_yticks(positions, labels, fontsize=SMALL)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.xaxis.set_major_formatter("{x:,.12g}")
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.margins(x=0.12)  # for the number of the longest bar
    plain(axes, "x")


def _draw_curves(panel: Axes, rows: list[dict[str, Any]]) -> None:
    values = [row["value"] for row in rows]
    for name, (label, colour, style) in CURVES.items():
        speeds: list[Spread] = [spread([row["images"] / taken for taken in row["seconds"][name]]) for row in rows]
        panel.plot(values, [speed.median for speed in speeds], style, color=colour, ms=4, label=label)
        panel.fill_between(values, *np.transpose([speed.quartiles for speed in speeds]), color=colour, alpha=0.2, lw=0)
    panel.set(xscale="log", yscale="log")
    panel.set_xticks(values, [f"{value:,g}" for value in values], fontsize=SMALL)
    panel.minorticks_off()
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    panel.yaxis.set_major_formatter("{x:,.0f}")
    panel.tick_params(axis="y", labelsize=SMALL)
    plain(panel)
