"""Images a second as bars."""

from typing import Any

from matplotlib.figure import Figure

from cifar_mlp.pictures.style import BLUE, BODY, GREY, SMALL, TITLE, VERMILION, new_figure

TITLES = {"pca": "{components} principal components", "pixels": "3,072 pixels"}
COLOURS = {"float32": BLUE, "bfloat16": VERMILION}


def speeds(document: dict[str, Any]) -> Figure:
    """One panel for each kind of inputs; quartiles as whiskers, the machine's limit as a line.

    Args:
        document: Of the job ``train``.
    """
    kinds = [kind for kind in TITLES if any(row["inputs"] == kind for row in document["harnesses"])]
    most = max(sum(row["inputs"] == kind for row in document["harnesses"]) for kind in kinds)
    figure = new_figure(9.5, (1.1 + 0.3 * most) * len(kinds) + 0.5)
    for axes, kind in zip(figure.subplots(len(kinds), 1, squeeze=False)[:, 0], kinds, strict=True):
        rows = [row for row in document["harnesses"] if row["inputs"] == kind]
        rows.sort(key=lambda row: row["images_per_second"]["median"])
        for place, row in enumerate(rows):
            speed = row["images_per_second"]
            low, high = speed["quartiles"]
            axes.barh(place, speed["median"], color=COLOURS[row["precision"]], height=0.7,
                      hatch="//" if row["harness"] == "ours" else None, edgecolor="white", lw=0)  # fmt: skip
            axes.errorbar(speed["median"], place, xerr=[[speed["median"] - low], [high - speed["median"]]],
                          color="black", lw=1, capsize=2)  # fmt: skip
            axes.annotate(f"{speed['median']:,.0f}", (high, place), (5, 0), textcoords="offset points",
                          va="center", fontsize=SMALL,
                          bbox={"fc": "white", "ec": "none", "pad": 0.8, "alpha": 0.8})  # fmt: skip
        for limit in document["limits"]:
            if limit["inputs"] == kind:
                axes.axvline(document["problem"]["images"] / limit["seconds"]["median"],
                             color=COLOURS[limit["precision"]], ls="--", lw=1.2)  # fmt: skip
        axes.set_yticks(range(len(rows)), [f"{row['title']}, {row['precision']}" for row in rows], fontsize=SMALL)
        axes.set_title(TITLES[kind].format(**document["problem"]), fontsize=BODY, loc="left")
        axes.set_xlabel("images a second", fontsize=BODY)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.tick_params(axis="x", labelsize=SMALL)
        axes.margins(x=0.1)
        axes.grid(axis="x", color=GREY, alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    limits = ", dashed: this machine's limit" if document["limits"] else ""
    figure.suptitle(f"Training speed: hatched is this package{limits}; blue float32, red bfloat16", fontsize=TITLE)
    return figure
