"""Tensors kept between runs, such as a fitted PCA, under a name that says what they were made of."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.common.atomic_write import FULL, replacing

FORMAT = 2  # raised when what is kept, or how the file is laid out, changes


def cache_path(folder: str, key: dict[str, Any], kind: str = "pca") -> Path:
    """The file for ``key``: its name is what is kept, and a hash of the key and of nothing else."""
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    return Path(folder).expanduser() / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}.pt"


def read_cache(path: Path, mapped: bool = False) -> dict[str, Tensor] | None:
    """The tensors in ``path``, or ``None`` where there is no file or it is not complete.

    Args:
        path: The file.
        mapped: Whether large tensors stay in the file, as memory that the system may drop.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, weights_only=True, mmap=mapped)
        tensors: dict[str, Tensor] = content["tensors"]
        if content["sha256"] == _digest(tensors):
            return tensors
    except Exception:  # whatever a damaged file makes the reader raise, the answer is to make it again
        pass
    print(f"{path} is damaged: making it again", flush=True)
    return None


def write_cache(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write ``tensors`` to ``path``, atomically; on a full disk say so and continue, since they can be made again.

    Raises:
        ValueError: If the folder cannot be written; names the option.
    """
    require_writable(path.parent)
    try:
        with replacing(path) as unfinished, unfinished.open("wb") as file:  # by name, PyTorch would hide the reason
            torch.save({"tensors": tensors, "sha256": _digest(tensors)}, file)
    except OSError as error:
        print(f"continuing without the cache: {error}", flush=True)


def require_writable(folder: Path) -> None:
    """Make ``folder`` if need be; refuse in one line if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno in FULL:  # the run continues without a cache
            return
        raise ValueError(f"--data.cache_dir {str(folder)!r} cannot be written ({error.strerror})") from error


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
