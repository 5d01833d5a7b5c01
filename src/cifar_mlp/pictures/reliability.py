"""Whether a network is right as often as it says."""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.answers import Answers
from cifar_mlp.pictures.style import BLUE, BODY, GREY, SMALL, TITLE, VERMILION, new_figure


@dataclass(frozen=True)
class Calibration:
    """Images by how confident the network was, ``(bins,)`` each.

    Attributes:
        count: Images.
        confidence: Their mean confidence; 0 where there are none.
        accuracy: Share of them that is right; 0 where there are none.
    """

    count: Tensor
    confidence: Tensor
    accuracy: Tensor

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of accuracy from confidence, weighted by images."""
        distance = (self.accuracy - self.confidence).abs()
        return float((distance * self.count).sum() / self.count.sum().clamp(min=1))


def calibration(answers: Answers, num_bins: int = 15) -> Calibration:
    """Bins of equal width in confidence, from 0 to 1."""
    confidence = answers.confidence.double()
    right = (answers.predicted == answers.labels).double()
    place = (confidence * num_bins).long().clamp(max=num_bins - 1)
    count = torch.bincount(place, minlength=num_bins).double()
    mean = [torch.bincount(place, value, minlength=num_bins) / count.clamp(min=1) for value in (confidence, right)]
    return Calibration(count, *mean)


def reliability_diagram(answers: Answers, title: str, num_bins: int = 15) -> Figure:
    """Accuracy against confidence, and how many images have which confidence.

    Args:
        answers: Of a network.
        title: Whose answers.
        num_bins: Bins of confidence.
    """
    measured = calibration(answers, num_bins)
    figure = new_figure(5.2, 5.4, arranged=False)
    figure.subplots_adjust(0.125, 0.085, 0.965, 0.89, hspace=0.07)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width = 1 / num_bins
    filled = [place for place in range(num_bins) if measured.count[place] > 0]
    confidence = measured.confidence[filled].tolist()
    bars = {"width": width, "align": "edge", "edgecolor": "white", "linewidth": 0.6}
    upper.bar(
        [place * width for place in filled], measured.accuracy[filled].tolist(), color=BLUE, label="accuracy", **bars
    )
    upper.plot(confidence, confidence, ls="", marker="_", ms=13, mew=2.2,
               color=VERMILION, label="mean confidence")  # fmt: skip
    upper.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="as it should be")
    upper.set(ylim=(0, 1.02), xlim=(0, 1))
    upper.set_ylabel("share of images that are right")
    upper.legend(loc="upper left", fontsize=BODY, framealpha=0.9, edgecolor="white")
    lower.bar([place * width for place in range(num_bins)], measured.count.tolist(), color=GREY, **bars)
    lower.set_xlabel("confidence: probability of the predicted class")
    lower.set_ylabel("images")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    right = 100 * float((answers.predicted == answers.labels).double().mean())
    sure = 100 * float(answers.confidence.mean())
    figure.text(0.545, 0.955, f"{title}: is it right as often as it says?", ha="center", fontsize=TITLE)
    upper.set_title(
        f"accuracy {right:.1f} %, mean confidence {sure:.1f} %, expected calibration error {measured.error:.3f}",
        fontsize=SMALL + 0.5,
        color="#444444",
    )
    return figure
