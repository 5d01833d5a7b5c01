"""Training images: all of CIFAR-10, its first ones, or synthetic ones of the same shape."""

import torch
from torch import Tensor

from cifar_mlp.data.cifar import CIFAR10, CIFARFiles, Part
from cifar_mlp.data.sources import SOURCES, Source

VAL_SIZE = CIFAR10.default_val_size
MOST_IMAGES = CIFAR10.num_train - VAL_SIZE


class FirstImages(CIFARFiles):
    """The first training images of CIFAR-10, and its usual validation images."""

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Images uint8 ``(N, 3, 32, 32)`` and labels int64 ``(N,)``."""
        images, labels = CIFAR10.load(root, part, seed)
        if part == "test":
            return images, labels
        first, last = slice(self.num_train - VAL_SIZE), slice(-VAL_SIZE, None)
        return torch.cat([images[first], images[last]]), torch.cat([labels[first], labels[last]])

    def fingerprint(self, images: Tensor) -> list[str]:
        """What identifies the images: their origin and number."""
        return [self.name, f"first {self.num_train}"]


class SyntheticImages(FirstImages):
    """A random mean image for each class, plus noise; needs no files."""

    def prepare(self, root: str | None, part: Part, mirror: str | None = None) -> None:
        """Nothing to prepare."""

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Images uint8 ``(N, 3, 32, 32)`` and labels int64 ``(N,)``, the same for every seed."""
        draw = torch.Generator().manual_seed(0)
        means = torch.randint(0, 24, (len(self.class_names), *self.image_shape), dtype=torch.uint8, generator=draw)
        images = torch.randint(0, 232, (self.num_train, *self.image_shape), dtype=torch.uint8, generator=draw)
        labels = torch.randint(0, len(self.class_names), (self.num_train,), generator=draw)
        return images.add_(means[labels]), labels


def register_source(count: int, real: bool) -> Source:
    """Make ``count`` training images available to this process under a source's name; returns the source."""
    if real and count == MOST_IMAGES:
        return CIFAR10
    kind, name = (FirstImages, CIFAR10.name) if real else (SyntheticImages, "synthetic")
    SOURCES[name] = kind(**{**vars(CIFAR10), "name": name, "num_train": count + VAL_SIZE})
    return SOURCES[name]
