"""The images that are trained on: CIFAR-10, its first ones, or bytes made up in its shape."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.data.cifar import CIFAR10, Part
from cifar_mlp.data.sources import SOURCES, Source

VAL_SIZE = 1_000


@dataclass(frozen=True)
class MadeImages:
    """Class averages drawn at random, and noise; no file is needed."""

    num_train: int
    num_test: int = 1
    default_val_size: int = VAL_SIZE
    name: str = "made"
    image_shape: tuple[int, int, int] = (3, 32, 32)
    class_names: tuple[str, ...] = CIFAR10.class_names

    def prepare(self, root: str | None, part: Part) -> None:
        """Nothing is needed."""

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """The same images for every seed."""
        draw = torch.Generator().manual_seed(0)
        averages = torch.randint(0, 24, (len(self.class_names), *self.image_shape), dtype=torch.uint8, generator=draw)
        images = torch.randint(0, 232, (self.num_train, *self.image_shape), dtype=torch.uint8, generator=draw)
        labels = torch.randint(0, len(self.class_names), (self.num_train,), generator=draw)
        return images.add_(averages[labels]), labels

    def fingerprint(self) -> list[str]:
        """How many they are says all."""
        return [f"made {self.num_train}"]


@dataclass(frozen=True)
class FirstImages:
    """The first ``count`` training images of CIFAR-10, and its own validation images."""

    count: int
    name: str = CIFAR10.name

    def __getattr__(self, name: str) -> Any:
        return getattr(CIFAR10, name)

    @property
    def num_train(self) -> int:
        """With the validation images."""
        return self.count + VAL_SIZE

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Read and check the files, and leave the rest out."""
        images, labels = CIFAR10.load(root, part, seed)
        if part == "test":
            return images, labels
        first, last = slice(self.count), slice(-VAL_SIZE, None)
        return torch.cat([images[first], images[last]]), torch.cat([labels[first], labels[last]])

    def fingerprint(self) -> list[str]:
        """The files', and how many images."""
        return [*CIFAR10.fingerprint(), f"first {self.count}"]


def most_images() -> int:
    """Training images of CIFAR-10 beside its validation images."""
    return CIFAR10.num_train - VAL_SIZE


def provide(count: int, real: bool) -> Source:
    """Make ``count`` training images known to this process as a source; returns it."""
    source: Source
    if not real:
        source = MadeImages(count + VAL_SIZE)
    elif count == most_images():
        return CIFAR10
    else:
        source = FirstImages(count)
    SOURCES[source.name] = source
    return source
