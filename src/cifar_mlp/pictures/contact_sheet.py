"""A few images of every class, to see at a glance what a set holds."""

from collections.abc import Sequence

import torch
from torch import Tensor

from cifar_mlp.pictures.style import Figure
from cifar_mlp.pictures.tiles import Caption, gallery

A_CLASS = 10  # images
MOST_ROWS = 25  # of more classes, several share a row


def contact_sheet(images: Tensor, labels: Tensor, class_names: Sequence[str], title: str) -> Figure:
    """The first ten images of each class, or as many as it has.

    Args:
        images: uint8 ``(N, 1 or 3, H, W)``.
        labels: int64 ``(N,)``.
        class_names: By label.
        title: What is shown.
    """
    blank = torch.full_like(images[:1], 255)
    rows = []
    for label in range(len(class_names)):
        first = images[labels == label][:A_CLASS]
        rows.append(torch.cat([first, blank.expand(A_CLASS - len(first), -1, -1, -1)]))
    if len(rows) <= MOST_ROWS:
        return gallery(torch.cat(rows), A_CLASS, title, rows=class_names, tile=0.6)
    blocks = -(-len(rows) // MOST_ROWS)
    rows += [blank.expand(A_CLASS, -1, -1, -1)] * (-len(rows) % blocks)
    between = [torch.cat([row, blank]) for row in rows]
    names = [[Caption(""), Caption(name), *[Caption("")] * (A_CLASS - 1)] for name in class_names]
    captions = [caption for name in names for caption in name]
    return gallery(torch.cat(between), blocks * (A_CLASS + 1), title, captions, tile=0.5)
