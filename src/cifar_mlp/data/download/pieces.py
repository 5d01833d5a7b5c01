"""An archive in the making: a folder of pieces, each from one server, which survives any interruption."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

NOBODY: frozenset[str] = frozenset()
BLOCK = 1 << 20


class Piece(NamedTuple):
    """A file whose name says where its bytes belong and who sent them."""

    start: int
    stop: int
    sender: str
    path: Path


def sender_of(url: str) -> str:
    """A short name for a server, good in file names."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


class Pieces:
    """The pieces of one archive.

    Args:
        folder: Where they are.
        length: Bytes of the whole archive.
    """

    def __init__(self, folder: Path, length: int) -> None:
        self.folder, self.length = folder, length

    def present(self, without: Collection[str] = NOBODY) -> list[Piece]:
        """The pieces by position, those of some senders left out."""
        found = []
        for path in self.folder.glob("[0-9]*-*"):
            start, sender = path.name.split("-", 1)
            if sender not in without:
                found.append(Piece(int(start), int(start) + path.stat().st_size, sender, path))
        return sorted(found)

    def gap(self, without: Collection[str] = NOBODY) -> tuple[int, int] | None:
        """The first bytes that no piece covers, from and to before."""
        position = 0
        for piece in self.present(without):
            if piece.start > position:
                return position, piece.start
            position = max(position, piece.stop)
        return (position, self.length) if position < self.length else None

    def path(self, start: int, sender: str) -> Path:
        """The file of a new piece."""
        return self.folder / f"{start:012d}-{sender}"

    def senders(self) -> dict[str, int]:
        """Who sent something, and how many bytes; the fewest first."""
        sent: dict[str, int] = {}
        for piece in self.present():
            sent[piece.sender] = sent.get(piece.sender, 0) + piece.stop - piece.start
        return {sender: count for sender, count in sorted(sent.items(), key=lambda item: item[1]) if count}

    def keep_only(self, whole: Path) -> Path:
        """Make the joined archive the only piece, so that nothing takes room twice; returns its new path."""
        before = self.present()
        kept = whole.replace(self.path(0, "whole"))
        for piece in before:
            if piece.path != kept:
                piece.path.unlink()
        return kept

    def join(self, whole: Path, without: Collection[str] = NOBODY) -> str:
        """Write the archive to ``whole``; returns its SHA-256."""
        digest, position = hashlib.sha256(), 0
        with whole.open("wb") as file:
            for piece in self.present(without):
                with piece.path.open("rb") as content:
                    content.seek(max(position - piece.start, 0))
                    while block := content.read(BLOCK):
                        digest.update(block)
                        file.write(block)
                position = max(position, piece.stop)
        return digest.hexdigest()
