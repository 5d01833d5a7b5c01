"""Many small images in one figure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from cifar_mlp.pictures.style import BLACK, SMALL, TITLE, VERMILION, Figure, new_figure

# Shape legend: N = images, H, W = height and width of one
GAP, LINE, PAD, LETTER = 0.06, 0.135, 0.1, 0.062  # inches: between tiles, a caption's line, all around, a small letter


class Caption(NamedTuple):
    """Up to two lines below a tile; the second is coloured, for predictions."""

    first: str
    second: str = ""


def as_rgb(images: Tensor) -> np.ndarray:
    """Images ``(N, 1 or 3, H, W)`` as uint8 ``(N, H, W, 3)``.

    Floats are levels from 0 to 1. If any is outside, as after standardization, all are rescaled to that range.
    """
    if images.dtype != torch.uint8:
        images = images.float().nan_to_num(0.5)
        low, high = images.aminmax()
        if low < 0 or high > 1:
            images = (images - low) / (high - low)
        images = (images * 255).round().byte()
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()


def about_grey(images: Tensor) -> Tensor:
    """Signed images ``(N, channels, H, W)`` to 0..1: zero is mid-grey, each image's largest magnitude is 0 or 1."""
    largest = images.abs().amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(images.dtype).tiny)
    return 0.5 + 0.5 * images / largest


def gallery(
    images: Tensor,
    columns: int,
    title: str,
    captions: Sequence[Caption] = (),
    rows: Sequence[str] = (),
    heads: Sequence[str] = (),
    note: str = "",
    tile: float = 0.85,
) -> Figure:
    """Tiles, row by row.

    Args:
        images: ``(N, 1 or 3, H, W)``, see :func:`as_rgb`.
        columns: Tiles in a row.
        title: What is shown.
        captions: Below each tile.
        rows: Name of each row, on its left, one or two lines.
        heads: Name of each column, above the first row.
        note: How to read the figure, one line below the title.
        tile: Width of a tile, inches.
    """
    tiles = as_rgb(images)
    enlarge = max(1, -(-64 // tiles.shape[1]))  # whole pixels stay sharp
    tiles = tiles.repeat(enlarge, 1).repeat(enlarge, 2)
    height, width = tiles.shape[1:3]
    inch = width / tile  # pixels of the sheet
    gap = round(GAP * inch)
    below = round(LINE * max((1 + bool(caption.second) for caption in captions), default=0) * inch) + gap
    num_rows = -(-len(tiles) // columns)
    sheet = np.full((num_rows * (height + below) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    corners = [(index // columns * (height + below), index % columns * (width + gap)) for index in range(len(tiles))]
    for one, (top, left) in zip(tiles, corners, strict=True):
        sheet[top : top + height, left : left + width] = one

    figure, axes = _axes(sheet.shape[1] / inch, sheet.shape[0] / inch, title, note, rows, bool(heads))
    axes.imshow(sheet, interpolation="nearest")
    for caption, (top, left) in zip(captions, corners, strict=False):
        x, y = left + width / 2, top + height + 0.8 * LINE * inch
        axes.text(x, y, caption.first, color=BLACK, ha="center", fontsize=SMALL)
        axes.text(x, y + LINE * inch, caption.second, color=VERMILION, ha="center", fontsize=SMALL)
    for name, (_, left) in zip(heads, corners, strict=False):
        axes.text(left + width / 2, -0.05 * inch, name, ha="center", fontsize=SMALL + 0.5)
    for row, name in enumerate(rows):
        middle = row * (height + below) + height / 2
        axes.text(-0.07 * inch, middle, name, ha="right", va="center", fontsize=SMALL + 0.5)
    return figure


def _axes(width: float, height: float, title: str, note: str, rows: Sequence[str], heads: bool) -> tuple[Figure, Axes]:
    """Axes of this exact size in inches, with room for the text around them."""
    margin = LETTER * max((len(line) for name in rows for line in name.split("\n")), default=0)
    above = 0.3 + 0.19 * bool(note) + 0.17 * heads
    whole = max(width + margin, 1.4 * LETTER * len(title), LETTER * len(note)) + 2 * PAD
    tall = height + above + PAD
    figure = new_figure(whole, tall, arranged=False)
    left = (whole - width - margin) / 2 + margin
    axes = figure.add_axes((left / whole, PAD / tall, width / whole, height / tall))
    axes.set_axis_off()
    middle = (left - margin / 2 + width / 2) / whole if whole > width + margin + 2 * PAD else 0.5
    figure.text(middle, 1 - 0.2 / tall, title, ha="center", fontsize=TITLE)
    figure.text(middle, 1 - 0.38 / tall, note, ha="center", fontsize=SMALL + 0.5, color="#444444")
    return figure, axes
