"""Ten images, and the probability of each class for each of them."""

from collections.abc import Sequence

import torch
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from cifar_mlp.pictures.predictions import Predictions
from cifar_mlp.pictures.style import HEAT, SMALL, TITLE, VERMILION, labels_of, new_figure
from cifar_mlp.pictures.tiles import as_rgb

# Shape legend: N = images, C = classes, S = classes shown
CELL, LETTER, ABOVE = 0.55, 0.075, 0.5  # inches: a cell, a letter of a name, above the names of the columns


def first_of_each_class(labels_N: Tensor, most: int = 10) -> Tensor:
    """Indices of the first image of each class, then of the second and so on, until there are ``most``; by class."""
    seen: dict[int, int] = {}
    order = []
    for index, label in enumerate(labels_N.tolist()):
        seen[label] = seen.get(label, 0) + 1
        order.append((seen[label], label, index))
    return torch.tensor([index for _, _, index in sorted(sorted(order)[:most], key=lambda one: one[1:])])


def ten_images(found: Predictions, class_names: Sequence[str], when: str) -> Figure:
    """A row for each image: its class, the image, and each class's probability in percent, empty below 0.5.

    Of many classes only those of the images have a column; the others' probabilities are added up.

    Args:
        found: Few predictions, of images ``(N, 1 or 3, H, W)``.
        class_names: By label.
        when: Where the training stands, e.g. ``After epoch 3``.
    """
    names, labels = labels_of(class_names), found.labels.tolist()
    columns = list(range(len(names))) if len(names) <= 12 else sorted(set(labels))
    shown_NS, heads = found.probabilities[:, columns], [names[column] for column in columns]
    if len(columns) < len(names):
        shown_NS = torch.cat([shown_NS, 1 - shown_NS.sum(1, keepdim=True)], 1)
        heads.append("all others")
    num_images, width = shown_NS.shape
    margin, above = (0.15 + LETTER * max(map(len, shown)) for shown in ([names[label] for label in labels], heads))
    inches = max(margin + CELL * (width + 1) + 0.1, 5.2), ABOVE + above + CELL * num_images + 0.1
    figure = new_figure(*inches, arranged=False)
    sides = (margin / inches[0], 0.1 / inches[1], CELL * (width + 1) / inches[0], CELL * num_images / inches[1])
    axes = figure.add_axes(sides, xlim=(-1.5, width - 0.5), ylim=(num_images - 0.5, -0.5))
    axes.set_axis_off()
    axes.imshow(shown_NS.numpy(), cmap=HEAT, vmin=0, vmax=1, aspect="auto")
    for row, (image, label) in enumerate(zip(as_rgb(found.inputs), labels, strict=True)):
        axes.imshow(image, extent=(-1.46, -0.54, row + 0.46, row - 0.46), interpolation="nearest", aspect="auto")
        axes.text(-1.6, row, names[label], ha="right", va="center", fontsize=SMALL + 1)
        for column, share in enumerate(shown_NS[row].tolist()):
            if share < 0.005:  # text is what takes the time
                continue
            shade = "black" if share > 0.55 else "white"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=shade, fontsize=SMALL + 1)
    for column, name in enumerate(heads):
        axes.text(column, -0.6, name, rotation=90, ha="center", va="bottom", fontsize=SMALL + 1)
    own = [Rectangle((columns.index(label) - 0.47, row - 0.47), 0.94, 0.94) for row, label in enumerate(labels)]
    axes.add_collection(PatchCollection(own, facecolor="none", edgecolor=VERMILION, linewidth=1.8), autolim=False)
    axes.set(xlim=(-1.5, width - 0.5), ylim=(num_images - 0.5, -0.5))
    title = f"{when}: {int(found.correct.sum())} of {num_images} right. Probability in %, the true class framed"
    figure.text(0.5, 1 - 0.22 / inches[1], title, ha="center", fontsize=TITLE)
    return figure
