"""Whether a network's confidence matches its accuracy."""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.predictions import Predictions
from cifar_mlp.pictures.style import BLUE, BODY, GREY, SMALL, TITLE, VERMILION, new_figure


@dataclass(frozen=True)
class Calibration:
    """Images binned by confidence, ``(bins,)`` each.

    Attributes:
        count: Images.
        confidence: Their mean confidence; 0 for an empty bin.
        accuracy: Their accuracy; 0 for an empty bin.
    """

    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |accuracy - confidence|, weighted by images."""
        distance = (self.accuracy - self.confidence).abs()
        return float((distance * self.count).sum() / self.count.sum().clamp(min=1))


def calibration(predictions: Predictions, num_bins: int = 15) -> Calibration:
    """Bins of equal width in confidence, from 0 to 1."""
    confidence, correct = predictions.confidence.double(), predictions.correct.double()
    index = (confidence * num_bins).long().clamp(max=num_bins - 1)
    count = torch.bincount(index, minlength=num_bins).double()
    mean = [torch.bincount(index, value, minlength=num_bins) / count.clamp(min=1) for value in (confidence, correct)]
    return Calibration(count, *mean)


def reliability_diagram(predictions: Predictions, title: str) -> Figure:
    """Accuracy against confidence, and a histogram of confidence.

    Args:
        predictions: Of a network.
        title: The data, e.g. ``Validation``.
    """
    measured = calibration(predictions)
    figure = new_figure(5.2, 5.4, arranged=False)
    figure.subplots_adjust(0.125, 0.085, 0.965, 0.89, hspace=0.07)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    num_bins = len(measured.count)
    left = [index / num_bins for index in range(num_bins)]
    confidence = measured.confidence[measured.count > 0].tolist()
    bars = {"width": 1 / num_bins, "align": "edge", "edgecolor": "white", "linewidth": 0.6}
    upper.bar(left, measured.accuracy.tolist(), color=BLUE, label="accuracy", **bars)
    upper.plot(confidence, confidence, ls="", marker="_", ms=13, mew=2.2,
               color=VERMILION, label="mean confidence")  # fmt: skip
    upper.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="perfect calibration")
    upper.set(ylim=(0, 1.02), xlim=(0, 1), ylabel="accuracy")
    upper.legend(loc="upper left", fontsize=BODY, framealpha=0.9, edgecolor="white")
    lower.bar(left, measured.count.tolist(), color=GREY, **bars)
    lower.set(xlabel="confidence (probability of the predicted class)", ylabel="images")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    accuracy = 100 * float(predictions.correct.double().mean())
    mean = 100 * float(predictions.confidence.mean())
    figure.text(0.545, 0.955, f"{title}: reliability diagram", ha="center", fontsize=TITLE)
    upper.set_title(
        f"accuracy {accuracy:.1f} %, mean confidence {mean:.1f} %, expected calibration error {measured.error:.3f}",
        fontsize=SMALL + 0.5,
        color="#444444",
    )
    return figure
