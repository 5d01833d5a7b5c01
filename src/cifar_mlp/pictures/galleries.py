"""Galleries of images: the most confident errors, and the mean image of each class."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.predictions import Predictions
from cifar_mlp.pictures.style import labels_of, new_figure, titled
from cifar_mlp.pictures.tiles import LETTER, Caption, gallery


def most_confident_errors(predictions: Predictions, most: int = 40) -> Tensor:
    """Indices of at most ``most`` errors by falling confidence."""
    wrong = (~predictions.correct).nonzero().flatten()
    return wrong[predictions.confidence[wrong].argsort(descending=True, stable=True)][:most]


def error_gallery(predictions: Predictions, class_names: Sequence[str], title: str, most: int = 40) -> Figure:
    """The most confident errors, each with its true class, the predicted one and its probability.

    Args:
        predictions: For images.
        class_names: By label.
        title: The data, e.g. ``Validation``.
        most: Images shown.
    """
    indices = most_confident_errors(predictions, most)
    if len(indices) == 0:
        return titled(new_figure(5, 1), f"{title}: no errors on {len(predictions.labels):,} images")
    confidence = (100 * predictions.confidence[indices]).tolist()
    names = labels_of(class_names)
    true, predicted = (
        [names[label] for label in kind[indices].tolist()] for kind in (predictions.labels, predictions.predicted)
    )
    captions = [
        Caption(label, f"{other}: {percent:.0f}%")
        for label, other, percent in zip(true, predicted, confidence, strict=True)
    ]
    return gallery(
        predictions.inputs[indices],
        min(10, len(indices)),
        f"{title}: the {len(indices)} most confident of {int((~predictions.correct).sum()):,} errors",
        captions,
        note="Black: true class. Orange: predicted class and its probability.",
        tile=max(0.95, LETTER * max(len(caption.second) for caption in captions)),
    )


def class_averages(predictions: Predictions, class_names: Sequence[str], title: str) -> Figure:
    """The mean of each class's images, and of the images predicted as that class, for at most 20 classes.

    Args:
        predictions: For images.
        class_names: By label.
        title: The data, e.g. ``Validation``.
    """
    shown = list(range(min(len(class_names), 20)))
    some = "" if len(shown) == len(class_names) else f", the first {len(shown)} of {len(class_names):,} classes"
    images = predictions.inputs.float() / (255 if predictions.inputs.dtype == torch.uint8 else 1)
    rows, captions = [], []
    for kind in (predictions.labels, predictions.predicted):
        for label in shown:
            members = images[kind == label]
            rows.append(members.mean(0) if len(members) else torch.ones_like(images[0]))
            captions.append(Caption(f"{len(members):,} images"))
    return gallery(
        torch.stack(rows),
        len(shown),
        f"{title}: mean image of each class{some}",
        captions,
        ["true class", "predicted class"],
        [labels_of(class_names)[label] for label in shown],
        note="Top: mean of the images of a class. Bottom: mean of the images predicted as that class.",
        tile=0.85,
    )
