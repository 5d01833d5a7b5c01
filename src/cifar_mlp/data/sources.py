"""The image sets that ``--data.source`` can name."""

from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor

from cifar_mlp.data.cifar import CIFAR10, CIFAR100, Part
from cifar_mlp.data.digits import Digits
from cifar_mlp.data.own_images.folder_images import DEFAULT_SIZE, FolderImages


class Source(Protocol):
    """A labelled set of images. Everything but the images themselves is known before a file is opened, except of a
    folder."""

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


SOURCES: dict[str, Source] = {source.name: source for source in (CIFAR10, CIFAR100, Digits(), FolderImages())}
_OF_A_FOLDER = ("image_size", "grey", "class_names")


def source_of(settings: dict[str, Any]) -> Source:
    """The source that the data module's settings name.

    Raises:
        ValueError: For a setting that would change nothing, or cannot be.
    """
    source = SOURCES[settings["source"]]
    given = [option for option in _OF_A_FOLDER if settings[option] is not None]
    if not isinstance(source, FolderImages):
        if given:
            raise ValueError(f"--data.{given[0]} needs --data.source folder: {source.name} has its own")
        return source
    size = DEFAULT_SIZE if settings["image_size"] is None else settings["image_size"]
    if size < 1:
        raise ValueError(f"--data.image_size must be at least 1, not {size}")
    if settings["mirror"] is not None:
        raise ValueError("--data.mirror cannot be given with --data.source folder: your own images are in --data.root")
    names = settings["class_names"]
    if names is not None and len(names) < 2:
        raise ValueError(f"--data.class_names must name at least two classes, not {names}")
    if twice := [name for name in names or () if names.count(name) > 1]:
        raise ValueError(f"--data.class_names has {twice[0]!r} twice: name each class once")
    return replace(
        source,
        root=settings["root"],
        image_size=size,
        grey=settings["grey"],
        classes=None if names is None else tuple(names),
        cache_dir=settings["cache_dir"],
    )
