"""The CIFAR sets: found in whatever form they are, read, and checked to be the published images."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.data.class_names import CIFAR10_CLASSES, CIFAR100_CLASSES
from cifar_mlp.data.download.archives import CIFAR10_ARCHIVE, CIFAR100_ARCHIVE, Archive
from cifar_mlp.data.download.whole_archive import download, mirror_url
from cifar_mlp.data.forms.batch_files import PARTS, Part, Table
from cifar_mlp.data.forms.containers import PackedFolder
from cifar_mlp.data.forms.fingerprints import CIFAR10_FINGERPRINTS, CIFAR100_FILES, digests
from cifar_mlp.data.forms.format_detection import Form, forms_at
from cifar_mlp.data.forms.hugging_face import Rows, can_read
from cifar_mlp.data.forms.published import FoundPart, compared
from cifar_mlp.data.forms.usual_places import locate, usual_places


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
    """One of the CIFAR sets in any of its forms, a source of images.

    Attributes:
        name: What ``--data.source`` calls it.
        class_names: Name of each class, by label.
        labels_key: Key of the labels in each pickled batch.
        table: Gives the files and their checksums.
        archive: What is downloaded where nothing is found.
        num_train: Images that the training files hold.
        num_test: Images that the test files hold.
        default_val_size: Images held out for validation where no number is asked for.
        image_shape: Channels, height and width.
        fingerprints: Digests of the images and labels of each part, computed from an original, see :mod:`fingerprints`.
        file_digests: Where there are none: SHA-256 of the binary file of each part, from public code. A binary file
            must have it; other forms that do not give its bytes are read, and the difference is said.
    """

    name: str
    class_names: tuple[str, ...]
    labels_key: str
    table: Callable[[], Table]
    archive: Archive
    num_train: int = 50_000
    num_test: int = 10_000
    default_val_size: int = 1_000
    image_shape: tuple[int, int, int] = (3, 32, 32)
    fingerprints: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    file_digests: Mapping[Part, str] = field(default_factory=dict)

    def prepare(self, root: str | None, part: Part, mirror: str | None = None) -> None:
        """Check that ``part`` is there in some form; download the set if no root was named and it is nowhere.

        Args:
            root: Path of the set in any form, see :func:`recognition.forms_at`; ``None`` looks at the environment,
                then in the usual places.
            part: Which files are needed.
            mirror: Where to download from first, see :func:`mirror_url`.

        Raises:
            FileNotFoundError: If a root that was given lacks a file, or the download fails.
        """
        first = mirror_url(mirror, self.archive)
        if self.find(root, part) is None:
            download(self.archive, locate(root).path, lambda: self.find(root, part) is not None, first)

    def fetch(self, root: str | None, mirror: str | None = None) -> None:
        """Download the set to where ``root`` means, unless all of it is there; what is damaged there is replaced.

        Args:
            root: A folder, which is made if need be; ``None`` as for :meth:`prepare`.
            mirror: As for :meth:`prepare`.

        Raises:
            FileNotFoundError: If the root is a file, or the download fails.
            ValueError: If the mirror is no address.
        """
        first, (path, given_by) = mirror_url(mirror, self.archive), locate(root)
        if os.path.lexists(path) and not path.is_dir():
            raise FileNotFoundError(f"{given_by} {path} is no folder: name one to download {self.archive.name} to")
        folder = path.parent if path.name == self.archive.folder else path

        def is_whole() -> bool:
            try:
                return all(len(self.load(root, part, seed=0)[1]) for part in PARTS)
            except (OSError, ValueError):
                return False

        if not is_whole():
            download(self.archive, folder, is_whole, first)

    def find(self, root: str | None, part: Part) -> Form | None:
        """The files that hold ``part``; ``None`` where no root is given and no usual place has them.

        Raises:
            FileNotFoundError: If a root is given and does not hold them; says what it holds and what would do.
        """
        location = locate(root)
        if location.given_by is None:
            return next((form for place in usual_places() if (form := self._usual(place, part)) is not None), None)
        if not location.path.exists():
            raise FileNotFoundError(f"{location.given_by}: {location.path} does not exist; {self._would_do()}")
        whole = (form for form in self.forms(location.path) if not form.missing(part))
        if (first := next(whole, None)) is None:
            raise FileNotFoundError(f"{location.given_by} {location.path}: {self._what_is_wrong(location.path, part)}")
        return first

    def found_in(self, root: str | None, part: Part) -> str:
        """Which usual place has the images of ``part``; empty where a root is given, or no place has them."""
        form = self.find(root, part) if locate(root).given_by is None else None
        return "" if form is None else f"images from {form.path}"

    def forms(self, path: Path) -> Iterator[Form]:
        """Every form of this set at ``path``, complete or not, the preferred one first."""
        return forms_at(path, self.table(), self.labels_key)

    def _usual(self, place: Path, part: Part) -> Form | None:
        """The first whole form in a place that nobody named; files of rows must be named after the set."""
        for form in self.forms(place):
            if form.missing(part) or (isinstance(form, Rows) and "cifar" not in str(form.path).lower()):
                continue
            if not isinstance(form, Rows) or can_read():
                return form
            print(f"{form.path} holds {self.name}, but reading it needs pyarrow: pip install pyarrow", flush=True)
        return None

    def _what_is_wrong(self, path: Path, part: Part) -> str:
        for source in (self, *(other for other in (CIFAR10, CIFAR100) if other.name != self.name)):
            if (form := next(source.forms(path), None)) is not None:
                found = f"recognised {source.name}, {form.words} in {form.path}"
                if source is not self:
                    return f"{found}, which --data.source {source.name} takes; {self._would_do()}"
                return f"{found}; missing: {', '.join(form.missing(part))}; put that there, or {self._would_do()}"
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            return f"you may not read it; {self._would_do()}"
        if not path.is_dir():
            return f"a file of {path.stat().st_size:,} bytes, not recognised as {self.name}; {self._would_do()}"
        names = [child.name for child in sorted(path.iterdir())]
        if self.archive.name in names and not PackedFolder(path / self.archive.name).first_names():
            return f"{self.archive.name} there is no archive, or a damaged one; {self._would_do()}"
        holds = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"
        return f"nothing there is recognised as {self.name} (it holds {holds}); {self._would_do()}"

    def _would_do(self) -> str:
        table = self.table()
        return (
            f"name {table.folder}, {table.url.rsplit('/', 1)[-1]}, the binary version of either, Hugging Face's "
            "parquet files, or a folder that holds one of these"
        )

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Read and check the files of ``part``; says it if they could not be proven to be the published ones.

        Args:
            root: As for :meth:`prepare`.
            part: Which files to read.
            seed: Not needed: the authors fixed which images are for testing.

        Returns:
            Images, uint8 ``(N, 3, 32, 32)``, and labels, int64 ``(N,)``: the same from every form.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a checksum, or the fingerprint of all images and labels, is not the published one.
        """
        found = self.read(root, part)
        if not found.is_proven:
            print(f"{part} images from {found.form.path}: {found.checked}", flush=True)
        return found.images, found.labels

    def read(self, root: str | None, part: Part) -> FoundPart:
        """What :meth:`load` gives, and how far it was checked; raises the same."""
        form = self.find(root, part)
        if form is None:
            broken = [other for place in usual_places() for other in self.forms(place) if other.missing(part)]
            near = "".join(
                f"; {other.words} in {other.path}, without {', '.join(other.missing(part))}" for other in broken
            )
            raise FileNotFoundError(f"{self.name} is in no usual place{near}: give --data.root; {self._would_do()}")
        num_images = self.num_train if part == "train" else self.num_test
        records = form.read(part, num_images)
        if not 0 <= records.labels.min() <= records.labels.max() < len(self.class_names):
            raise ValueError(f"{form.path} holds labels that are no classes of {self.name}: put the original there")
        known, digest = self.fingerprints.get(part), self.file_digests.get(part)
        records, checked = compared(records, form, part, known, digest)
        images = torch.from_numpy(records.pixels).view(-1, *self.image_shape)
        return FoundPart(images, torch.from_numpy(records.labels), form, checked)

    def fingerprint(self, images: Tensor) -> list[str]:
        """What identifies the training images: their known fingerprint, else one computed from them."""
        known = self.fingerprints.get("train")
        return list(known or digests(images.flatten(1).numpy(), np.zeros(len(images), np.int64), 1))


CIFAR10 = CIFARFiles(
    "cifar10",
    CIFAR10_CLASSES,
    "labels",
    partial(torchvision_table, "CIFAR10"),
    CIFAR10_ARCHIVE,
    fingerprints=CIFAR10_FINGERPRINTS,
)
CIFAR100 = CIFARFiles(
    "cifar100",
    CIFAR100_CLASSES,
    "fine_labels",
    partial(torchvision_table, "CIFAR100"),
    CIFAR100_ARCHIVE,
    file_digests=CIFAR100_FILES,
)
