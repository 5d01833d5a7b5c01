"""Decode the image files of a folder once: on all cores, with progress, and kept for the next start."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from cifar_mlp.common.parallel_runs import cores
from cifar_mlp.data.cache import cache_path, read_cache, require_writable, write_cache
from cifar_mlp.data.download.transfer_progress import SECONDS_BETWEEN_LINES
from cifar_mlp.data.own_images.decoding import Chunk, decoded_chunk

CHUNK = 64  # files that a process decodes at a time
FEW = 4 * CHUNK  # files that are decoded before other processes have started


class Images(NamedTuple):
    """What the readable files hold.

    Attributes:
        pixels: uint8 ``(N, channels, height, width)``; one channel where all are grey, unless colour is asked for.
        kept: int64 ``(N,)``, the position of each image's file.
        errors: Why a file cannot be read, by its position.
    """

    pixels: Tensor
    kept: Tensor
    errors: dict[int, str]


def images_of(root: Path, files: Sequence[Path], image_size: int, grey: bool | None, cache_dir: str) -> Images:
    """Read image files, or what an earlier start has read of the same.

    Args:
        root: Folder that they are in.
        files: Their paths.
        image_size: Height and width wanted.
        grey: Whether to make them grey; ``None`` asks whether all are.
        cache_dir: Folder in which the decoded images are kept, one file for each ``root`` and size.

    Raises:
        ValueError: If that folder cannot be written, or memory would not do; names the option.
    """
    _require_memory(len(files), image_size)
    path = cache_path(cache_dir, {"folder": str(root.resolve()), "image_size": image_size}, "images")
    listing, cached = _digest(root, files), read_cache(path, mapped=True)
    if cached is None or not torch.equal(cached["listing"], listing) or not _is_asked(cached, grey):
        require_writable(path.parent)
        cached = {"listing": listing, "by_themselves": torch.tensor(grey is None)}
        cached |= _decoded(root, files, image_size, grey)
        write_cache(path, cached)
    errors = json.loads(cached["errors"].numpy().tobytes())
    return Images(cached["pixels"], cached["kept"], {int(position): said for position, said in errors.items()})


def _is_asked(cached: dict[str, Tensor], grey: bool | None) -> bool:
    """Whether the images that are kept have the channels that are asked for now."""
    return bool(cached["by_themselves"]) if grey is None else grey == (cached["pixels"].shape[1] == 1)


def _require_memory(num_images: int, image_size: int) -> None:
    bytes_needed = num_images * 3 * image_size**2 * 5  # a byte and a float32 for each pixel value
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if bytes_needed > memory:
        raise ValueError(
            f"--data.image_size {image_size}: {num_images:,} images of that size need {bytes_needed / 1e9:,.0f} GB of "
            f"memory, this machine has {memory / 1e9:,.0f} GB; choose a smaller size"
        )


def _digest(root: Path, files: Sequence[Path]) -> Tensor:
    """Hash of the names, sizes and times of the files, uint8 ``(32,)``."""
    found = hashlib.sha256()
    for path in files:
        try:
            status = path.stat()
            size, changed = status.st_size, status.st_mtime_ns
        except OSError:  # a link that leads nowhere
            size = changed = -1
        found.update(repr((os.fsencode(path.relative_to(root)), size, changed)).encode())
    return torch.frombuffer(bytearray(found.digest()), dtype=torch.uint8)


def _decoded(root: Path, files: Sequence[Path], image_size: int, grey: bool | None) -> dict[str, Tensor]:
    shape = (1 if grey else 3, image_size, image_size)
    pixels = np.empty((len(files), *shape), np.uint8)
    errors: dict[int, str] = {}
    all_grey, start = grey is None, 0
    with _progress(f"reading {root}", len(files)) as advance:
        for chunk in _chunks([files[first : first + CHUNK] for first in range(0, len(files), CHUNK)], shape):
            pixels[start : start + len(chunk.pixels)] = chunk.pixels
            errors |= {start + position: said for position, said in chunk.errors.items()}
            all_grey &= chunk.is_grey
            start += len(chunk.pixels)
            advance(len(chunk.pixels))
    kept = np.array([position for position in range(len(files)) if position not in errors], np.int64)
    if all_grey:
        pixels = pixels[:, :1]
    if errors:
        pixels = pixels[kept]
    said = bytearray(json.dumps(errors).encode())
    return {
        "pixels": torch.from_numpy(np.ascontiguousarray(pixels)),
        "kept": torch.from_numpy(kept),
        "errors": torch.frombuffer(said, dtype=torch.uint8),
    }


def _chunks(files: Sequence[Sequence[Path]], shape: tuple[int, int, int]) -> Iterator[Chunk]:
    """The decoded files in order; in processes that import nothing but what decoding needs, nor the main program."""
    if sum(map(len, files)) <= FEW or cores() == 1:
        yield from (decoded_chunk(paths, shape) for paths in files)
        return
    pool = Parallel(n_jobs=cores(), return_as="generator", max_nbytes=None)
    try:
        yield from pool(delayed(decoded_chunk)(paths, shape) for paths in files)
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Called with how many more are done: a bar on a terminal, a line every ten seconds in a log."""
    if sys.stdout.isatty():
        words = TextColumn("{task.description}", markup=False)
        with Progress(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
            task = bar.add_task(name, total=total)
            yield lambda count: bar.advance(task, count)
        return
    done, last = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{name}: {done:,} of {total:,} files", flush=True)

    yield advance
