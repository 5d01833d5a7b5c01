"""What a test found, in words."""

from collections.abc import Sequence
from typing import Any

from scipy.stats import binomtest
from torch import Tensor

from cifar_mlp.callbacks.board import board, class_names
from cifar_mlp.callbacks.per_class import counts
from cifar_mlp.callbacks.view import BoardCallback


class ResultInWords(BoardCallback):
    """Writes the text ``result/test`` of every test: how many images are right, how sure that is, what is confused.

    The module must update ``test_confusion``, a torchmetrics ``MulticlassConfusionMatrix``.
    """

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Write."""
        with self.guarded(pl_module):
            here, counts_CC = board(trainer, pl_module), counts(pl_module, "test")
            if here is not None:
                text = in_words(counts_CC, class_names(pl_module, len(counts_CC)))
                here.text(f"{here.prefix}result/test", text, here.step)


def in_words(counts_CC: Tensor, names: Sequence[str]) -> str:
    """Markdown.

    Args:
        counts_CC: Images by true class (row) and predicted class (column).
        names: Of the classes, by label.
    """
    total, right = int(counts_CC.sum()), int(counts_CC.diagonal().sum())
    low, high = binomtest(right, total).proportion_ci(method="wilson")
    usual = float(counts_CC.sum(1).max()) / total
    accuracy = {
        name: float(row[label] / row.sum()) for label, (name, row) in enumerate(zip(names, counts_CC, strict=True))
        if row.sum() > 0
    }  # fmt: skip
    ranked = sorted(accuracy, key=lambda name: -accuracy[name])
    mistakes = counts_CC - counts_CC.diag().diag()
    order = mistakes.flatten().argsort(descending=True, stable=True).tolist()
    pairs = [(place // len(names), place % len(names)) for place in order[:3]]
    confused = [
        f"{names[true]} taken for {names[predicted]} ({int(mistakes[true, predicted]):,} of "
        f"{int(counts_CC[true].sum()):,})"
        for true, predicted in pairs
        if mistakes[true, predicted] > 0
    ]
    lines = [
        f"**{right:,} of {total:,} test images are right: {100 * right / total:.1f} %.**",
        f"With so many images the true rate is between {100 * low:.1f} and {100 * high:.1f} % (95 % interval); "
        "another seed adds its own spread.",
        f"Always naming the most frequent class would give {100 * usual:.1f} %.",
        "",
        f"- recognized best: {_listed(ranked[:3], accuracy)}",
        f"- recognized worst: {_listed(ranked[::-1][:3], accuracy)}",
    ]
    return "\n".join([*lines, f"- most frequent confusions: {', '.join(confused) or 'none'}"])


def _listed(names: Sequence[str], accuracy: dict[str, float]) -> str:
    return ", ".join(f"{name} ({100 * accuracy[name]:.0f} %)" for name in names)
