"""Images a second against what was changed."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from cifar_mlp.pictures.style import BLACK, BLUE, BODY, GREY, ORANGE, SMALL, TITLE, new_figure

LABELS = {
    "batch size": "images in a batch",
    "width": "width, hidden layers times",
    "depth": "affine layers",
    "images": "images in an epoch",
    "threads": "threads",
}
LINES = {
    "ours": ("cifar-mlp fit", BLUE, "o-"),
    "plain": ("plain PyTorch loop", ORANGE, "s-"),
    "limit": ("this machine's limit", BLACK, "--"),
}


def curves(document: dict[str, Any]) -> Figure:
    """A panel for each axis, both scales logarithmic, and the legend in the place after them; quartiles as bands.

    Args:
        document: Of the job ``scaling``.
    """
    names = [name for name in LABELS if any(row["axis"] == name for row in document["points"])]
    columns = min(3, len(names) + 1)
    rows = -(-(len(names) + 1) // columns)
    figure = new_figure(3.4 * columns, 3.3 * rows + 0.5)
    places = figure.subplots(rows, columns, squeeze=False)
    panels = places.flat[: len(names)]
    for panel, name in zip(panels, names, strict=True):
        _panel(panel, name, [row for row in document["points"] if row["axis"] == name])
    for panel in places[:, 0]:
        panel.set_ylabel("images a second", fontsize=BODY)
    for place in places.flat[len(names) :]:
        place.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    places.flat[len(names)].legend(handles, labels, loc="center", fontsize=BODY, frameon=False)
    problem = document["problem"]
    figure.suptitle(
        f"Scaling of training, {problem['precision']}; one thing changes, the rest stays at:\n"
        f"{problem['components']} principal components, hidden {'-'.join(map(str, problem['hidden_sizes']))}, "
        f"batch {problem['batch_size']}, {problem['images']:,} images, {problem['threads']} thread(s)",
        fontsize=TITLE,
    )
    return figure


def _panel(panel: Axes, name: str, rows: list[dict[str, Any]]) -> None:
    places = [row["place"] for row in rows]
    for key, (label, colour, style) in LINES.items():
        panel.plot(places, [row[key]["median"] for row in rows], style, color=colour, ms=4, label=label)
        low, high = ([row[key]["quartiles"][end] for row in rows] for end in (0, 1))
        panel.fill_between(places, low, high, color=colour, alpha=0.2, lw=0)
    panel.set(xscale="log", yscale="log")
    panel.set_xlabel(LABELS[name], fontsize=BODY)
    panel.set_xticks(places, [f"{place:,g}" for place in places], fontsize=SMALL)
    panel.minorticks_off()
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    panel.yaxis.set_major_formatter("{x:,.0f}")
    panel.tick_params(axis="y", labelsize=SMALL)
    panel.grid(color=GREY, alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
