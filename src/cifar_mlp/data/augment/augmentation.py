"""All changes of a batch, drawn from the seed and the batch's place in the training alone."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.common.seeds import derived_seed
from cifar_mlp.data.augment.geometry import cut_out, flip_and_crop
from cifar_mlp.data.augment.mixing import Mixture, draw_mixture, paste
from cifar_mlp.data.augment.resampling import recolour, rotate_and_scale

# Shape legend: B = images of a batch, N = of the training split


class Place(NamedTuple):
    """A batch's place in the training: whole epochs before it, batches of its epoch before it, the process."""

    epoch: int
    batch: int
    rank: int = 0


class Augmentation:
    """The changes that ``--data.augment`` asks for, always in the same order: geometry, colour, cutout, mixing.

    Each draws from a stream of its own, so one more change leaves the draws of the others as they were.

    Args:
        options: Strength by name, see ``CIFAR10DataModule``'s ``augment``; checked.
        num_images: Images of the training split, N.
        seed: The run's.
    """

    def __init__(self, options: Mapping[str, Any], num_images: int, seed: int) -> None:
        self.options, self.num_images, self.seed = dict(options), num_images, seed

    @property
    def mixes(self) -> bool:
        """Whether images get two labels."""
        return bool(self.options.keys() & {"mixup", "cutmix"})

    def change(self, images: Tensor, indices_B: Tensor, place: Place) -> Tensor:
        """Bytes ``(B, channels, height, width)`` changed, on their device.

        Args:
            images: Of the batch.
            indices_B: Their positions in the training split.
            place: Of the batch.
        """
        options, device = self.options, images.device
        size, sides = len(images), images.shape[2:]
        if options.keys() & {"rotation", "scale"}:
            rng, scale = self._rng("warp", place), options.get("scale", 0.0)
            angles, zooms = rng.uniform(-1, 1, (2, size)) * [[options.get("rotation", 0.0)], [scale]]
            images = rotate_and_scale(images, _floats(angles, device), _floats(1 + zooms, device))
        if options.keys() & {"flip", "crop"}:
            most = options.get("crop", 0)
            offsets = self._rng("crop", place).integers(-most, most + 1, (size, 2))
            flipped = self._flipped(indices_B, place)
            images = flip_and_crop(images, flipped.to(device), torch.from_numpy(offsets).to(device))
        if "colour" in options:
            factors = 1 + options["colour"] * self._rng("colour", place).uniform(-1, 1, (size, 3))
            images = recolour(images, _floats(factors, device))
        if "cutout" in options:
            centres = torch.from_numpy(self._rng("cutout", place).integers(0, tuple(sides), (size, 2)))
            images = cut_out(images, centres.to(device), options["cutout"])
        return images

    def mixture(self, images: Tensor, place: Place) -> tuple[Tensor, Mixture | None]:
        """How a batch is mixed, ``None`` if it is not, and its bytes after CutMix; mixup is left to the features."""
        if not self.mixes:
            return images, None
        sides, strengths = (images.shape[2], images.shape[3]), [self.options.get(n, 0.0) for n in ("mixup", "cutmix")]
        found = draw_mixture(self._rng("mix", place), len(images), sides, *strengths)
        found = found._replace(partners=found.partners.to(images.device))
        return (images if found.box is None else paste(images, found)), found

    def _flipped(self, indices_B: Tensor, place: Place) -> Tensor:
        """Which images of the batch are mirrored: a new draw each time, or in every other epoch."""
        kind = self.options.get("flip")
        if kind == "alternating":
            return self._first_flips_N[indices_B.cpu()] ^ bool(place.epoch % 2)
        draws = self._rng("flip", place).random(len(indices_B)) < 0.5
        return torch.from_numpy(draws & (kind == "random"))

    @cached_property
    def _first_flips_N(self) -> Tensor:
        rng = np.random.default_rng(derived_seed(self.seed, "first flips"))
        return torch.from_numpy(rng.random(self.num_images) < 0.5)

    def _rng(self, stream: str, place: Place) -> np.random.Generator:
        return np.random.default_rng(derived_seed(self.seed, f"augment {stream}", *place))


def _floats(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device, torch.float32)
