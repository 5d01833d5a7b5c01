"""Flips, crops and cutout: changes that take bytes from other places, without arithmetic on them."""

import torch
from torch import Tensor

# Shape legend: B = images of a batch, C = channels, H, W = height and width

GREY = 128  # what cutout leaves


def flip_and_crop(images_BCHW: Tensor, flipped_B: Tensor, offsets_B2: Tensor) -> Tensor:
    """Mirror some images left to right, then move each window, in one pass over the bytes.

    Args:
        images_BCHW: Of any type.
        flipped_B: Boolean, which images are mirrored.
        offsets_B2: int64, by how many pixels the window moves down and right; beyond the edge the image is reflected,
            without repeating the edge. At most the side less one.
    """
    channels, height, width = images_BCHW.shape[1:]
    device = images_BCHW.device
    rows_BH = reflected(torch.arange(height, device=device) + offsets_B2[:, :1], height)
    columns_BW = reflected(torch.arange(width, device=device) + offsets_B2[:, 1:], width)
    columns_BW = torch.where(flipped_B[:, None], width - 1 - columns_BW, columns_BW)
    places_BP = (rows_BH[:, :, None] * width + columns_BW[:, None, :]).flatten(1)
    taken = images_BCHW.flatten(2).gather(2, places_BP[:, None].expand(-1, channels, -1))
    return taken.unflatten(2, (height, width))


def reflected(index: Tensor, size: int) -> Tensor:
    """Indices outside 0..size-1 as those that a mirror at the edge shows: -1 is 1, ``size`` is ``size - 2``."""
    return (size - 1) - ((size - 1) - index.abs()).abs()


def cut_out(images_BCHW: Tensor, centres_B2: Tensor, side: int) -> Tensor:
    """Grey squares (DeVries and Taylor 2017); those near an edge are cut off by it.

    Args:
        images_BCHW: uint8.
        centres_B2: int64, row and column of each square's centre.
        side: Of the square, in pixels.
    """
    height, width = images_BCHW.shape[2:]
    inside_BH, inside_BW = (_within(size, centres_B2[:, axis, None], side) for axis, size in enumerate((height, width)))
    return images_BCHW.masked_fill((inside_BH[:, :, None] & inside_BW[:, None, :])[:, None], GREY)


def _within(size: int, centre_B1: Tensor, side: int) -> Tensor:
    distance = torch.arange(size, device=centre_B1.device) - centre_B1 + side // 2
    return (distance >= 0) & (distance < side)
