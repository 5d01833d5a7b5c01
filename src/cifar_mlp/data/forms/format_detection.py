"""Which form of a CIFAR set a path holds, recognised by its content."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from cifar_mlp.data.forms.batch_files import Part, Records, Table, batch_files_in
from cifar_mlp.data.forms.containers import Folder, PackedFolder
from cifar_mlp.data.forms.hugging_face import rows_below
from cifar_mlp.data.regular_files import is_regular

PICKLE = b"\x80"  # its first byte
ARCHIVES = (".tar.gz", ".tgz", ".tar")


class Form(Protocol):
    """Files of one form of a set."""

    @property
    def words(self) -> str:
        """What it is, for messages."""
        ...

    @property
    def path(self) -> Path:
        """The folder or archive."""
        ...

    def missing(self, part: Part) -> list[str]:
        """Names of the files of ``part`` that are not there."""
        ...

    def read(self, part: Part, num_images: int) -> Records:
        """Images and labels, in the order of the files."""
        ...


def forms_at(path: Path, table: Table, labels_key: str) -> Iterator[Form]:
    """Every form of a set that is at ``path``, complete or not: folders first, then archives, then files of rows.

    Args:
        path: A folder, the folder in it, an archive, a folder with it, a file of rows, or a folder with such files.
        table: The set's files.
        labels_key: Key of its labels in the Python batches.
    """
    top = path if path.is_dir() else path.parent
    children = sorted(top.iterdir()) if path.is_dir() else [path]
    below = [child for child in children if child.is_dir()]
    nested = [child / table.folder for child in below]  # as Keras unpacks: datasets/cifar-10-batches-py-target/
    folders = [top, *below, *filter(os.path.isdir, nested)]
    for folder in folders:
        names = {name for part in ("train", "test") for name, _ in getattr(table, part)}
        every = [*names, *(f"{name}.bin" for name in names)]
        there = set(every) - set(Folder(folder).absent(every))
        there -= {name for name in names & there if not Folder(folder).begins(name, PICKLE)}  # names such as "test"
        yield from batch_files_in(Folder(folder), there, table, labels_key)
    for child in children:
        if (child == path or _may_be_archive(child)) and is_regular(child):
            yield from batch_files_in(PackedFolder(child), PackedFolder(child).first_names(), table, labels_key)
    yield from rows_below(path, labels_key == "fine_labels")


def _may_be_archive(path: Path) -> bool:
    """Whether a file in a folder is worth opening; Keras gives its archives no suffix."""
    return path.name.endswith(ARCHIVES) or "cifar" in path.name
