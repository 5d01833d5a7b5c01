"""The image sets that ``--data.source`` can name."""

from typing import Protocol

from torch import Tensor

from cifar_mlp.data.cifar import CIFAR10, CIFAR100, Part
from cifar_mlp.data.digits import Digits


class Source(Protocol):
    """A labelled set of images. Everything but the images themselves is known before a file is opened."""

    @property
    def name(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def num_train(self) -> int: ...
    @property
    def num_test(self) -> int: ...
    @property
    def default_val_size(self) -> int: ...
    @property
    def image_shape(self) -> tuple[int, int, int]: ...

    def prepare(self, root: str | None, part: Part, mirror: str | None = None) -> None:
        """Make the files of ``part`` available, or say in one line why they are not."""

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Images, uint8 ``(N, C, H, W)``, and labels, int64 ``(N,)``."""
        ...

    def fingerprint(self, images: Tensor) -> list[str]:
        """What identifies the training images."""
        ...


SOURCES: dict[str, Source] = {source.name: source for source in (CIFAR10, CIFAR100, Digits())}
