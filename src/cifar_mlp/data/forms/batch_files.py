"""The two forms that CIFAR's authors publish: pickled Python batches and binary records."""

import hashlib
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cifar_mlp.data.forms.containers import Container, PackedFolder

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")
Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
NUM_PIXELS = 3 * 32 * 32


class Records(NamedTuple):
    """Images with their labels.

    Attributes:
        pixels: ``(N, 3072)``.
        labels: ``(N,)``; the fine ones of CIFAR-100.
        coarse: CIFAR-100's other labels, ``(N,)``; ``None`` where there are none.
    """

    pixels: Pixels
    labels: Labels
    coarse: Labels | None = None


class Table(NamedTuple):
    """Where a set's files are below the root, and the MD5 that each must have.

    Attributes:
        folder: Folder of the files, below the root.
        train: File name and MD5 of each training file, in reading order.
        test: The same for the test files.
        url: PackedFolder that holds the folder.
        archive_md5: MD5 of the archive.
    """

    folder: str
    train: list[tuple[str, str]]
    test: list[tuple[str, str]]
    url: str
    archive_md5: str

    def md5s(self, part: Part) -> dict[str, str]:
        """File names of ``part`` in reading order, with their MD5."""
        return dict(self.train if part == "train" else self.test)


@dataclass(frozen=True)
class PythonBatches:
    """Pickled batches; only bytes of known MD5 are unpickled.

    Attributes:
        container: Folder or archive that holds the files.
        table: Their names and checksums.
        labels_key: Key of the labels in each batch.
    """

    container: Container
    table: Table
    labels_key: str
    suffix = ""

    @property
    def words(self) -> str:
        """What it is, for messages."""
        return "archive of Python batches" if isinstance(self.container, PackedFolder) else "Python batches"

    @property
    def path(self) -> Path:
        """The folder or archive."""
        return self.container.path

    def missing(self, part: Part) -> list[str]:
        """Names of the files that are not there."""
        return self.container.absent(self.names(part))

    def names(self, part: Part) -> list[str]:
        """Names of the files of ``part``, in reading order."""
        return [name + self.suffix for name in self.table.md5s(part)]

    def read(self, part: Part, num_images: int) -> Records:
        """The records of all files, in reading order.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is damaged.
        """
        names = self.names(part)
        pixels = np.empty((num_images, NUM_PIXELS), np.uint8)
        labels, coarse = np.empty(num_images, np.int64), np.empty(num_images, np.int64)
        each = num_images // len(names)
        for name, content in self.container.read(names):
            rows = slice(names.index(name) * each, (names.index(name) + 1) * each)
            found = self._decode(name, content, each)
            pixels[rows], labels[rows] = found.pixels, found.labels
            if found.coarse is not None:
                coarse[rows] = found.coarse
        return Records(pixels, labels, coarse if self._has_coarse else None)

    @property
    def _has_coarse(self) -> bool:
        return self.labels_key == "fine_labels"

    def _decode(self, name: str, content: bytes, num_images: int) -> Records:
        md5 = {**self.table.md5s("train"), **self.table.md5s("test")}[name]
        batch = pickle.loads(verified(content, md5, self.container.where(name)), encoding="latin1")  # bytes we know
        coarse = np.asarray(batch["coarse_labels"]) if self._has_coarse else None
        return Records(batch["data"], np.asarray(batch[self.labels_key]), coarse)


class BinaryBatches(PythonBatches):
    """Binary records: one byte for the label, before it one for the coarse label in CIFAR-100, then the pixels."""

    suffix = ".bin"

    @property
    def words(self) -> str:
        """What it is, for messages."""
        return super().words.replace("Python batches", "binary batches")

    def _decode(self, name: str, content: bytes, num_images: int) -> Records:
        label_bytes = 2 if self._has_coarse else 1
        expected = num_images * (label_bytes + NUM_PIXELS)
        if len(content) != expected:
            where = self.container.where(name)
            raise ValueError(f"{where} is damaged: it has {len(content):,} bytes, expected {expected:,}")
        records = np.frombuffer(content, np.uint8).reshape(num_images, -1)
        labels = records[:, :label_bytes].astype(np.int64)
        return Records(records[:, label_bytes:], labels[:, -1], labels[:, 0] if self._has_coarse else None)


def verified(content: bytes, md5: str, where: str) -> bytes:
    """``content``, whose MD5 is ``md5``.

    Raises:
        ValueError: If the MD5 is another; names the file and both.
    """
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(
            f"{where} is damaged or altered: its MD5 is {found}, expected {md5}; replace it with the original file"
        )
    return content


def batch_files_in(container: Container, names: set[str], table: Table, labels_key: str) -> Iterator[PythonBatches]:
    """The forms whose files are among ``names``, complete or not."""
    for kind in (PythonBatches, BinaryBatches):
        form = kind(container, table, labels_key)
        if names & {*form.names("train"), *form.names("test")}:
            yield form
