"""Where files are side by side: a folder, or a tar archive that is read without unpacking it."""

import lzma
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cifar_mlp.data.regular_files import is_regular, open_regular

MOST_BYTES = 1 << 28  # the largest file of any CIFAR set has 155 MB
PEEKED = 4  # members looked at to recognise an archive
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError)


class Folder(NamedTuple):
    """Files in a folder."""

    path: Path

    def absent(self, names: Collection[str]) -> list[str]:
        """Those of ``names`` that are not there."""
        return [name for name in names if not is_regular(self.path / name)]

    def begins(self, name: str, content: bytes) -> bool:
        """Whether a file is there and begins with ``content``."""
        try:
            with open_regular(self.path / name) as file:
                return file.read(len(content)) == content
        except OSError:
            return False

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file, in the order of ``names``.

        Raises:
            FileNotFoundError: If one is missing.
        """
        for name in names:
            if self.absent([name]):
                raise FileNotFoundError(f"{self.path / name} is missing")
            with open_regular(self.path / name) as file:
                yield name, file.read()

    def where(self, name: str) -> str:
        """Names one file in a message."""
        return str(self.path / name)


class PackedFolder(NamedTuple):
    """Files in a tar archive, compressed or not; folders within it do not matter."""

    path: Path

    def absent(self, names: Collection[str]) -> list[str]:
        """None: what an archive lacks shows only when all of it is read."""
        return []

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each file, in the archive's order; stops after the last.

        Raises:
            FileNotFoundError: If one is missing.
            ValueError: If the archive is damaged.
        """
        wanted = set(names)
        for name, content in self._members(wanted):
            wanted.discard(name)
            yield name, content
            if not wanted:
                return
        raise FileNotFoundError(f"{self.path} lacks {', '.join(sorted(wanted))}: put the original archive there")

    def where(self, name: str) -> str:
        """Names one file in a message."""
        return f"{name} in {self.path}"

    def first_names(self) -> set[str]:
        """Names of the first members, up to any damage; empty where this is no archive."""
        names: set[str] = set()
        with suppress(*_DAMAGE), open_regular(self.path) as file, tarfile.open(fileobj=file, mode="r|*") as tar:
            for member, _ in zip(tar, range(PEEKED), strict=False):
                names.add(PurePosixPath(member.name).name)
        return names

    def _members(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        with open_regular(self.path) as file:
            try:
                with tarfile.open(fileobj=file, mode="r|*") as tar:
                    for member in tar:
                        name = PurePosixPath(member.name).name
                        if name in wanted and member.isreg() and member.size <= MOST_BYTES:
                            content = tar.extractfile(member)
                            assert content is not None, "a regular member has content"
                            yield name, content.read()
            except _DAMAGE as error:
                size = self.path.stat().st_size
                raise ValueError(
                    f"{self.path} ({size:,} bytes) is damaged or cut short ({error}): put the original archive there"
                ) from error


Container = Folder | PackedFolder
