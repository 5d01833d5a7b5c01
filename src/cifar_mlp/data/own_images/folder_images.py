"""Your own images as a source: a folder of image files with classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor

from cifar_mlp.data.forms.batch_files import Part
from cifar_mlp.data.forms.fingerprints import digests
from cifar_mlp.data.own_images.folder_listing import WOULD_DO, FolderPart, Listing, listing_of, require_classes
from cifar_mlp.data.own_images.folder_reading import Images, images_of
from cifar_mlp.data.own_images.label_table import listed
from cifar_mlp.data.splits import stratified_order

DEFAULT_SIZE = 32  # CIFAR's
LINES = 20  # of files that cannot be read
HELD_OUT = 0.15  # share of the images drawn for validation, and for testing, where the folder has no such part


class _Read(NamedTuple):
    """The readable images.

    Attributes:
        pixels: uint8 ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
        parts: Indices of the images of each part; those of train are drawn from where a part is not there.
        class_names: By label.
        files: Path of each image, below the root.
    """

    pixels: Tensor
    labels: Tensor
    parts: dict[FolderPart, Tensor]
    class_names: tuple[str, ...]
    files: list[Path]


@dataclass
class FolderImages:
    """Images in a folder, see :func:`listing_of`; they are read when first asked for.

    Attributes:
        root: The folder.
        image_size: Height and width to which every image is resized.
        grey: Whether the images become grey; ``None``: if all are.
        classes: Class names by label; ``None``: as found, sorted.
        cache_dir: Folder in which the decoded images are kept.
    """

    root: str | None = None
    image_size: int = DEFAULT_SIZE
    grey: bool | None = None
    classes: Sequence[str] | None = None
    cache_dir: str = "~/.cache/cifar_mlp"
    name = "folder"

    @cached_property
    def read(self) -> _Read:
        """All images.

        Raises:
            FileNotFoundError: If there is no such folder.
            ValueError: If it is not laid out as one of images, or a class has fewer than two that can be read.
        """
        if self.root is None:
            raise ValueError(f"--data.source folder needs --data.root; {WOULD_DO}")
        root = Path(self.root).expanduser()
        listing = listing_of(root, self.classes)
        if listing.left_out:
            _say(f"{root}: left out: {listing.left_out}")
        images = images_of(root, listing.files, self.image_size, self.grey, self.cache_dir)
        if images.errors:
            _say(f"{root}: {_unreadable(root, listing, images)}")
        labels = torch.tensor(listing.labels)[images.kept]
        part_of = [listing.parts[position] for position in images.kept.tolist()]
        parts = {
            part: torch.tensor([i for i, found in enumerate(part_of) if found == part], dtype=torch.int64)
            for part in dict.fromkeys(listing.parts)
        }
        counts = torch.bincount(labels[parts["train"]], minlength=len(listing.class_names)).tolist()
        try:
            require_classes(dict(zip(listing.class_names, counts, strict=True)), "readable images")
        except ValueError as error:
            raise ValueError(f"--data.root {root}: {error}") from error
        if empty := [part for part, indices in parts.items() if len(indices) == 0]:
            raise ValueError(f"--data.root {root}: no image of {empty[0]}/ can be read")
        files = [listing.files[position].relative_to(root) for position in images.kept.tolist()]
        return _Read(images.pixels, labels, parts, listing.class_names, files)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label."""
        return self.read.class_names if self.classes is None else tuple(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels = self.read.pixels.shape[1] if self.grey is None else 1 if self.grey else 3
        return channels, self.image_size, self.image_size

    @property
    def num_train(self) -> int:
        """Images for training and validation."""
        return len(self.read.labels) - self.num_test

    @property
    def num_test(self) -> int:
        """Images for testing."""
        return self._drawn if self.draws_test else len(self.read.parts["test"])

    @property
    def default_val_size(self) -> int:
        """Images for validation where no number is asked for."""
        return len(self.read.parts["val"]) if "val" in self.read.parts else self._drawn

    @property
    def draws_test(self) -> bool:
        """Whether the images for testing are drawn, for want of a ``test/``."""
        return "test" not in self.read.parts

    @property
    def _drawn(self) -> int:
        return max(1, round(HELD_OUT * len(self.read.parts["train"])))

    def prepare(self, root: str | None, part: Part, mirror: str | None = None) -> None:
        """Read the images; nothing can be downloaded."""
        _ = self.read

    def order(self, part: Part, seed: int) -> Tensor:
        """Indices of the images of ``part``: any of its last ones are a stratified draw, and so are those for testing.

        The images of a ``val/`` come last in the training part. Theirs and those of a ``test/`` have one order for all
        seeds, so that runs can be compared image by image.
        """
        parts = {
            name: indices[stratified_order(self.read.labels[indices], seed if name == "train" else 0)]
            for name, indices in self.read.parts.items()
        }
        if "test" not in parts:
            parts["train"], parts["test"] = parts["train"].split((len(parts["train"]) - self._drawn, self._drawn))
        return parts["test"] if part == "test" else torch.cat([parts["train"], parts.get("val", parts["train"][:0])])

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Images, uint8 ``(N, channels, height, width)``, and labels, int64 ``(N,)``."""
        order = self.order(part, seed)
        return self.read.pixels[order], self.read.labels[order]

    def files_of(self, part: Part, seed: int) -> list[Path]:
        """Path of each image of ``part``."""
        return [Path(str(self.root), self.read.files[index]) for index in self.order(part, seed).tolist()]

    def fingerprint(self, images: Tensor) -> list[str]:
        """A hash of the training images."""
        return digests(images.flatten(1).numpy(), torch.zeros(len(images), dtype=torch.int64).numpy(), 1)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What was read: how many images and classes, and a hash of all pixels and labels."""
        pixels, labels = self.read.pixels.flatten(1).numpy(), self.read.labels.numpy()
        return {"images": len(labels), "classes": len(self.class_names), "sha256": digests(pixels, labels, 1)[0]}

    def found_in(self, root: str | None, part: Part) -> str:
        """What was read from where, in words."""
        drawn = [words for part, words in (("val", "validation"), ("test", "test")) if part not in self.read.parts]
        how = f", {' and '.join(drawn)} images drawn by the seed" if drawn else ""
        return f"{len(self.read.labels):,} images of {len(self.class_names)} classes from {self.root}{how}"


def _unreadable(root: Path, listing: Listing, images: Images) -> str:
    names = [f"{listing.files[position].relative_to(root)} ({said})" for position, said in images.errors.items()]
    how_many = f"{len(names):,} of {len(listing.files):,} files cannot be read and are left out"
    return "\n  ".join([f"{how_many}:", listed(names, LINES, "\n  ")])


@rank_zero_only
def _say(line: str) -> None:
    print(line, flush=True)
