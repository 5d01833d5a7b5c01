"""Images a second against what was changed."""

from typing import Any

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
    """A panel for each axis, both scales logarithmic; quartiles as bands.

    Args:
        document: Of the job ``scaling``.
    """
    axes_names = [name for name in LABELS if any(row["axis"] == name for row in document["points"])]
    figure = new_figure(3.2 * len(axes_names), 3.6)
    panels = figure.subplots(1, len(axes_names), squeeze=False)[0]
    for panel, name in zip(panels, axes_names, strict=True):
        rows = [row for row in document["points"] if row["axis"] == name]
        places = [row["place"] for row in rows]
        for key, (label, colour, style) in LINES.items():
            panel.plot(places, [row[key]["median"] for row in rows], style, color=colour, ms=4, label=label)
            bounds = [[row[key]["quartiles"][end] for row in rows] for end in (0, 1)]
            panel.fill_between(places, *bounds, color=colour, alpha=0.2, lw=0)
        panel.set(xscale="log", yscale="log", xlabel=LABELS[name])
        panel.set_xticks(places, [f"{place:g}" for place in places], fontsize=SMALL)
        panel.minorticks_off()
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:,.0f}")
        panel.tick_params(axis="y", labelsize=SMALL, which="both")
        panel.grid(color=GREY, alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("images a second")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=BODY, frameon=False)
    problem = document["problem"]
    figure.suptitle(
        f"Scaling, {problem['precision']}; else hidden {'-'.join(map(str, problem['hidden_sizes']))}, batch "
        f"{problem['batch_size']}, {problem['images']:,} images, {problem['threads']} thread(s)",
        fontsize=TITLE,
    )
    return figure
