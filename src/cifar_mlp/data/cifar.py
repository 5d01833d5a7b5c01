"""The CIFAR files on disk: found, checked against their published checksums, and only then read."""

import hashlib
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.data.download import download

Part = Literal["train", "test"]
ROOT_VARIABLE = "CIFAR10_ROOT"
DEFAULT_ROOT = "data"


class Table(NamedTuple):
    """Where a set's files lie below the root, and the MD5 that each must have.

    Attributes:
        folder: Folder of the files, below the root.
        train: File name and MD5 of each training file, in reading order.
        test: The same for the test files.
        url: Archive that holds the folder.
        archive_md5: MD5 of the archive.
    """

    folder: str
    train: list[tuple[str, str]]
    test: list[tuple[str, str]]
    url: str
    archive_md5: str


def torchvision_table(name: Literal["CIFAR10", "CIFAR100"]) -> Table:
    """torchvision's own file names and checksums of ``name``."""
    import torchvision.datasets

    known = getattr(torchvision.datasets, name)
    return Table(
        known.base_folder,
        [tuple(entry) for entry in known.train_list],
        [tuple(entry) for entry in known.test_list],
        known.url,
        known.tgz_md5,
    )


@dataclass(frozen=True)
class CIFARFiles:
    """One of the CIFAR sets in its authors' file format, a source of images.

    Attributes:
        name: What ``--data.source`` calls it.
        class_names: Name of each class, by label.
        labels_key: Key of the labels in each pickled batch.
        table: Gives the files and their checksums.
        num_train: Images that the training files hold.
        num_test: Images that the test files hold.
        default_val_size: Images held out for validation where no number is asked for.
        image_shape: Channels, height and width.
    """

    name: str
    class_names: tuple[str, ...]
    labels_key: str
    table: Callable[[], Table]
    num_train: int = 50_000
    num_test: int = 10_000
    default_val_size: int = 1_000
    image_shape: tuple[int, int, int] = (3, 32, 32)

    def prepare(self, root: str | None, part: Part) -> None:
        """Check that every file of ``part`` is there; download the set if no root was named.

        Args:
            root: Folder that holds the set's own folder; ``None`` looks at the environment, then in ``data/``.
            part: Which files are needed.

        Raises:
            FileNotFoundError: If a root that was given lacks a file, or the download fails.
        """
        location = locate(root)
        table = self.table()
        missing = [path for path, _ in self._files(location.path, part) if not path.is_file()]
        if not missing:
            return
        if location.given_by is None:
            download(table.url, table.archive_md5, location.path, table.folder)
            return
        folder = location.path / table.folder
        if not folder.is_dir():
            deeper = location.path.name == table.folder
            remedy = (
                f"give its parent, {location.path.parent}"
                if deeper
                else f"name the folder that contains {table.folder!r}"
            )
            raise FileNotFoundError(
                f"{location.given_by} is {str(location.path)!r}, which holds no folder {table.folder!r}: {remedy}"
            )
        raise FileNotFoundError(
            f"{location.given_by}: {missing[0]} is missing: put the files of {table.url} there, or name another root"
        )

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Read and check the files of ``part``.

        Args:
            root: As for :meth:`prepare`.
            part: Which files to read.
            seed: Not needed: the authors fixed which images are for testing.

        Returns:
            Images, uint8 ``(N, 3, 32, 32)``, and labels, int64 ``(N,)``.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file's checksum is not the published one.
        """
        images = np.empty((self.num_train if part == "train" else self.num_test, *self.image_shape), np.uint8)
        labels: list[int] = []
        for path, md5 in self._files(locate(root).path, part):
            batch = pickle.loads(read_verified(path, md5), encoding="latin1")  # bytes we know
            images[len(labels) : len(labels) + len(batch["data"])] = batch["data"].reshape(-1, *self.image_shape)
            labels += batch[self.labels_key]
        assert len(labels) == len(images), "the table does not describe this set"
        return torch.from_numpy(images), torch.tensor(labels)

    def fingerprint(self) -> list[str]:
        """What identifies the training images: the checksums of their files."""
        return [md5 for _, md5 in self.table().train]

    def _files(self, root: Path, part: Part) -> list[tuple[Path, str]]:
        table = self.table()
        return [(root / table.folder / name, md5) for name, md5 in getattr(table, part)]


class Location(NamedTuple):
    """The data root, and which setting gave it (``None``: the default)."""

    path: Path
    given_by: str | None


def locate(root: str | None) -> Location:
    """The data root: the option, else the environment variable, else ``data/`` in the working directory."""
    if root is not None:
        return Location(Path(root).expanduser(), "--data.root")
    if from_environment := os.environ.get(ROOT_VARIABLE):
        return Location(Path(from_environment).expanduser(), ROOT_VARIABLE)
    return Location(Path(DEFAULT_ROOT), None)


def read_verified(path: Path, md5: str) -> bytes:
    """The bytes of a file whose MD5 is ``md5``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file's MD5 is another; names the file and both.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(
            f"{path} is damaged or altered: its MD5 is {found}, expected {md5}; replace it with the original file"
        )
    return content


CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

CIFAR100_CLASSES = tuple(
    """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm""".split()
)

CIFAR10 = CIFARFiles("cifar10", CIFAR10_CLASSES, "labels", lambda: torchvision_table("CIFAR10"))
CIFAR100 = CIFARFiles("cifar100", CIFAR100_CLASSES, "fine_labels", lambda: torchvision_table("CIFAR100"))
