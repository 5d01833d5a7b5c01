"""Where a network is wrong, and what it takes a class to be."""

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.answers import Answers
from cifar_mlp.pictures.style import TITLE, new_figure
from cifar_mlp.pictures.tiles import Caption, gallery, letters


def most_confident_mistakes(answers: Answers, most: int = 40) -> Tensor:
    """Places of the wrong answers of highest confidence, surest first, ``(at most most,)``."""
    wrong = (answers.predicted != answers.labels).nonzero().flatten()
    return wrong[answers.confidence[wrong].argsort(descending=True, stable=True)][:most]


def mistake_gallery(
    answers: Answers, class_names: Sequence[str], title: str, most: int = 40, columns: int = 10
) -> Figure:
    """The most confident mistakes, each with its true class, the predicted one and its probability.

    Args:
        answers: Of a network.
        class_names: By label.
        title: Whose answers.
        most: Images shown.
        columns: Tiles in a row.
    """
    places = most_confident_mistakes(answers, most)
    if len(places) == 0:
        figure = new_figure(5, 1)
        figure.suptitle(f"{title}: no mistake among {len(answers.labels):,} images", fontsize=TITLE)
        return figure
    predicted = answers.predicted
    captions = [
        Caption(
            class_names[int(answers.labels[place])],
            f"{class_names[int(predicted[place])]}: {100 * float(answers.confidence[place]):.0f}%",
        )
        for place in places
    ]
    wrong = int((predicted != answers.labels).sum())
    longest = max(len(caption.second) for caption in captions)
    return gallery(
        answers.images[places],
        min(columns, len(places)),
        f"{title}: the {len(places)} most confident of {wrong:,} mistakes",
        captions,
        note="Black: true class. Orange: predicted class and its probability.",
        tile=max(0.95, letters(longest)),
    )


def class_averages(answers: Answers, class_names: Sequence[str], title: str, most: int = 20) -> Figure:
    """The mean image of each class, and of the images that the network takes for it.

    Args:
        answers: Of a network.
        class_names: By label.
        title: Whose answers.
        most: Classes shown, from the first.
    """
    shown = list(range(min(len(class_names), most)))
    some = "" if len(shown) == len(class_names) else f", the first {len(shown)} of {len(class_names):,} classes"
    whole = answers.images.float() / (255 if answers.images.dtype == torch.uint8 else 1)
    rows, captions = [], []
    for kind in (answers.labels, answers.predicted):
        for label in shown:
            members = whole[kind == label]
            rows.append(members.mean(0) if len(members) else torch.ones_like(whole[0]))
            captions.append(Caption(f"{len(members):,} images"))
    return gallery(
        torch.stack(rows),
        len(shown),
        f"{title}: what each class looks like on average{some}",
        captions,
        ["true class", "predicted class"],
        [class_names[label] for label in shown],
        note="Above, the mean of the images that are of the class; below, of those that the network takes for it.",
        tile=0.85,
    )
