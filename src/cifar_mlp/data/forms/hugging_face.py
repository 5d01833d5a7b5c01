"""Hugging Face's files of rows: parquet, or the arrow files that its library makes of them."""

import glob
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cifar_mlp.data.forms.batch_files import NUM_PIXELS, Part, Pixels, Records
from cifar_mlp.data.regular_files import is_regular, open_regular

SUFFIXES = (".parquet", ".arrow")
# Below a folder that is named: the folder itself, one of a config or of a copy, and those of the two caches.
FOLDERS = (
    ".",
    "*",
    "*/*",
    "snapshots/*/*",
    "*/[0-9].[0-9].[0-9]/*",
    "datasets--*cifar*/snapshots/*/*",
    "*cifar*/*/[0-9].[0-9].[0-9]/*",
    "hub/datasets--*cifar*/snapshots/*/*",
    "datasets/*cifar*/*/[0-9].[0-9].[0-9]/*",
)
HEAD = 1 << 16  # bytes in which an arrow stream describes its columns
COARSE = "coarse_label"  # CIFAR-100's other column of labels
CHUNK = 1_000  # images decoded by a thread at a time


@dataclass(frozen=True)
class Rows:
    """Rows of a PNG and its label, in one or more files a part.

    Attributes:
        files: All files of both parts.
        label: Column of the labels.
    """

    files: tuple[Path, ...]
    label: str
    words = "Hugging Face files"

    @property
    def path(self) -> Path:
        """Folder of the files."""
        return self.files[0].parent

    def missing(self, part: Part) -> list[str]:
        """What is not there."""
        if self._of(part):
            return []
        suffix = self.files[0].suffix
        there = sorted(file.name for file in self.path.glob(f"*{part}*{suffix}"))
        return [f"{name} (there, but damaged or another file)" for name in there] or [f"{part}-*{suffix}"]

    def read(self, part: Part, num_images: int) -> Records:
        """Images and labels of all rows, in the files' order.

        Raises:
            ValueError: If pyarrow is missing, a file is damaged, or the rows are not as many as expected.
        """
        if not can_read():
            raise ValueError(f"{self.path} holds {self.words}, which need pyarrow: pip install pyarrow")
        pngs: list[bytes] = []
        labels: list[int] = []
        coarse: list[int] = []
        for path in self._of(part):
            for batch in _batches(path):
                pngs += [cell["bytes"] for cell in _images(batch)]
                labels += batch.column(self.label).to_pylist()
                if COARSE in batch.schema.names:
                    coarse += batch.column(COARSE).to_pylist()
        if len(pngs) != num_images:
            raise ValueError(f"{self.path} holds {len(pngs):,} {part} rows, expected {num_images:,}")
        both = len(coarse) == len(labels)
        return Records(
            _decoded(pngs, self.path), np.asarray(labels, np.int64), np.asarray(coarse, np.int64) if both else None
        )

    def _of(self, part: Part) -> list[Path]:
        return [path for path in self.files if part in path.name]


def can_read() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def rows_below(path: Path, fine: bool) -> Iterator[Rows]:
    """The forms that are in or below ``path``.

    Args:
        path: A folder, or one of the files.
        fine: Whether the set has fine labels, as CIFAR-100.
    """
    if not path.is_dir() and path.suffix not in SUFFIXES:
        return
    top, patterns = (path, FOLDERS) if path.is_dir() else (path.parent, (".",))
    for folder in (top / found for pattern in patterns for found in sorted(glob.glob(pattern, root_dir=top))):
        files = sorted(file for file in folder.glob("*") if file.suffix in SUFFIXES and "cache-" not in file.name)
        columns = {file: _label_column(file) for file in files}
        label = "fine_label" if fine else "label"
        for suffix in SUFFIXES:
            chosen = tuple(file for file in files if file.suffix == suffix and columns[file] == label)
            if chosen:
                yield Rows(chosen, label)


def _label_column(path: Path) -> str | None:
    """Which labels a file of PNG rows has, from its description of itself; read without pyarrow."""
    if not (is_regular(path) and os.access(path, os.R_OK)):
        return None
    with open_regular(path) as file:
        head = file.read(HEAD)
        if head[:4] == b"PAR1":
            file.seek(-min(8, len(head)), io.SEEK_END)
            length = int.from_bytes(file.read(4), "little")
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - 8 - length))
            head = file.read(length)
    if b"bytes" not in head:
        return None
    return next((name for name in ("fine_label", "label") if name.encode() in head), None)


def _batches(path: Path) -> Iterator[Any]:
    """The rows of a file, a batch of a table at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_regular(path) as file:
        try:
            if path.suffix == ".parquet":
                yield from pq.ParquetFile(file).iter_batches()
            else:
                yield from pa.ipc.open_stream(file)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path} is damaged ({' '.join(str(error).split())}): put the original there") from error


def _images(batch: Any) -> list[dict[str, Any]]:
    """The cells of the first column of structures."""
    import pyarrow as pa

    index = next(i for i, field in enumerate(batch.schema) if pa.types.is_struct(field.type))
    cells: list[dict[str, Any]] = batch.column(index).to_pylist()
    return cells


def _decoded(pngs: Sequence[bytes], where: Path) -> Pixels:
    pixels = np.empty((len(pngs), NUM_PIXELS), np.uint8)

    def decode(start: int) -> None:
        for row in range(start, min(start + CHUNK, len(pngs))):
            with Image.open(io.BytesIO(pngs[row]), formats=["PNG"]) as image:
                pixels[row] = np.asarray(image.convert("RGB")).transpose(2, 0, 1).reshape(-1)

    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(decode, range(0, len(pngs), CHUNK)))
    except (OSError, ValueError, SyntaxError, TypeError) as error:
        raise ValueError(f"{where} holds a row that is no PNG of 32 x 32 pixels ({error})") from error
    return pixels
