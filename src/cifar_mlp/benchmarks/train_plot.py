"""Images a second as bars."""

from typing import Any

from matplotlib.figure import Figure

from cifar_mlp.benchmarks.bars import Bar, draw, machine
from cifar_mlp.pictures.style import BLUE, TITLE, VERMILION, new_figure

TITLES = {"pca": "{components} principal components", "pixels": "3,072 pixels"}
COLOURS = {"float32": BLUE, "bfloat16": VERMILION}


def speeds(document: dict[str, Any]) -> Figure:
    """One panel for each kind of inputs; quartiles as whiskers, the machine's limit as a line.

    Args:
        document: Of the job ``train``.
    """
    problem = document["problem"]
    kinds = [kind for kind in TITLES if any(row["inputs"] == kind for row in document["harnesses"])]
    counts = [sum(row["inputs"] == kind for row in document["harnesses"]) for kind in kinds]
    figure = new_figure(9.5, sum(0.9 + 0.3 * count for count in counts) + 0.7)
    panels = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=counts)[:, 0]
    for axes, kind in zip(panels, kinds, strict=True):
        rows = [row for row in document["harnesses"] if row["inputs"] == kind]
        rows.sort(key=lambda row: -row["images_per_second"]["median"])
        bars = [
            Bar(f"{row['title']}, {row['precision']}", row["images_per_second"]["median"],
                row["images_per_second"]["quartiles"], row["title"].startswith("cifar-mlp"),
                COLOURS[row["precision"]])
            for row in rows
        ]  # fmt: skip
        draw(axes, bars, TITLES[kind].format(**problem), "images a second")
        for limit in document["limits"]:
            if limit["inputs"] == kind:
                axes.axvline(problem["images"] / limit["seconds"]["median"], color=COLOURS[limit["precision"]],
                             ls="--", lw=1.2)  # fmt: skip
    limits = ", dashed: this machine's limit" if document["limits"] else ""
    figure.suptitle(
        f"Training speed: hatched is this package{limits}; blue float32, orange bfloat16; whiskers: quartiles\n"
        f"hidden {'-'.join(map(str, problem['hidden_sizes']))}, batch {problem['batch_size']}, "
        f"{problem['images']:,} images of {problem['data']}, {machine(document)}",
        fontsize=TITLE,
    )
    return figure
