"""Mixup and CutMix: two images in one, with both labels and the share of the first."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Shape legend: B = images of a batch, C = channels, H, W = height and width


class MixedBatch(NamedTuple):
    """A training batch whose images have two labels each.

    Four parts, so that a module which expects a pair fails at once instead of learning from one label alone.

    Attributes:
        inputs: Features ``(B, K)``.
        labels: int64 ``(B,)``.
        other_labels: Of the images that were mixed in, int64 ``(B,)``.
        weight: Share of the first label, ``(B,)``; the second has the rest.
    """

    inputs: Tensor
    labels: Tensor
    other_labels: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> "MixedBatch":
        """The same batch on ``device``."""
        return MixedBatch(*(tensor.to(device, non_blocking=True) for tensor in self))


class Mixture(NamedTuple):
    """How the images of a batch are mixed.

    Attributes:
        partners: Position of each image's other image in the batch, int64 ``(B,)``.
        share: Of the first image.
        box: Top, bottom, left and right of the part that CutMix takes from the other image; ``None`` under mixup.
    """

    partners: Tensor
    share: float
    box: tuple[int, int, int, int] | None = None


def draw_mixture(
    rng: np.random.Generator, num_images: int, size: tuple[int, int], mixup: float, cutmix: float
) -> Mixture:
    """One mixture for a batch: share ~ Beta(strength, strength).

    Args:
        rng: Where the draws come from.
        num_images: In the batch, B.
        size: Height and width of an image.
        mixup: Strength (Zhang et al. 2018); 0 for none.
        cutmix: Strength (Yun et al. 2019); 0 for none. Of the two each batch gets one, by a fair coin.
    """
    boxed = cutmix > 0 and (mixup == 0 or rng.random() < 0.5)
    strength = cutmix if boxed else mixup
    partners, share = torch.from_numpy(rng.permutation(num_images)), float(rng.beta(strength, strength))
    if not boxed:
        return Mixture(partners, share)
    bounds: list[int] = []
    for side in size:
        cut, centre = round(side * (1 - share) ** 0.5), int(rng.integers(side))
        bounds += [max(centre - cut // 2, 0), min(centre - cut // 2 + cut, side)]
    top, bottom, left, right = bounds
    share = 1 - (bottom - top) * (right - left) / (size[0] * size[1])  # what the edges have left of it
    return Mixture(partners, share, (top, bottom, left, right))


def paste(images_BCHW: Tensor, mixture: Mixture) -> Tensor:
    """CutMix's box of each image's partner in its place; a new tensor."""
    assert mixture.box is not None
    top, bottom, left, right = mixture.box
    pasted = images_BCHW.clone()
    pasted[:, :, top:bottom, left:right] = images_BCHW[mixture.partners, :, top:bottom, left:right]
    return pasted


def blend(inputs_BK: Tensor, mixture: Mixture) -> Tensor:
    """Mixup. Features are an affine map of the pixels, so mixing them is the same as mixing images."""
    return mixture.share * inputs_BK + (1 - mixture.share) * inputs_BK[mixture.partners]
