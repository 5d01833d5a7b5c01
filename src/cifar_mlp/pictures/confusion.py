"""Confusion matrices."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.style import BODY, HEAT, SMALL, TITLE, labels_of, new_figure


def confusion_matrix(counts_CC: Tensor, class_names: Sequence[str], title: str) -> Figure:
    """Counts, and below each its share of the true class in percent, which the colour shows.

    Args:
        counts_CC: Images by true class (row) and predicted class (column).
        class_names: By label.
        title: The data, e.g. ``Validation``.
    """
    counts_CC = counts_CC.cpu()
    shares_CC = counts_CC / counts_CC.sum(1, keepdim=True).clamp(min=1)
    num_classes, names = len(class_names), labels_of(class_names)
    crowded = num_classes > 20
    side = 2.2 + (0.14 if crowded else 0.52) * num_classes
    figure = new_figure(side + 1.0, side)
    axes = figure.add_subplot()
    drawn = axes.imshow(shares_CC.numpy(), cmap=HEAT, vmin=0, vmax=1)
    size = 5 if crowded else BODY
    axes.set_xticks(range(num_classes), names, rotation=90, fontsize=size)
    axes.set_yticks(range(num_classes), names, fontsize=size)
    if not crowded:
        for true, row in enumerate(counts_CC.tolist()):
            for predicted, count in enumerate(row):
                share = float(shares_CC[true, predicted])
                shade = "black" if share > 0.55 else "white"
                text = f"{int(count):,}\n{100 * share:.0f} %"
                cell = axes.text(predicted, true, text, ha="center", va="center", color=shade, fontsize=SMALL)
                cell.set_in_layout(False)  # inside the axes anyway, and there are many
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    correct, total = int(counts_CC.diagonal().sum()), int(counts_CC.sum())
    axes.set_title(f"{title}: {correct:,} of {total:,} correct ({100 * correct / max(total, 1):.1f} %)", fontsize=TITLE)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
    bar.set_label("share of the true class", fontsize=BODY)
    return figure
