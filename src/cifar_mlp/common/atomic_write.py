"""Files that are whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path``; it replaces ``path`` on success and is removed on any error.

    Readers see the old file or the new one, never a part, and so does a machine that loses power.

    Args:
        path: File, whose folder exists. The new one gets the mode that the umask gives any new file.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".unfinished-", suffix=path.suffix)
    os.close(descriptor)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.chmod(0o666 & ~_umask())
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_whole(text: str, path: Path) -> None:
    """Write ``text`` as UTF-8, atomically; the folder of ``path`` exists."""
    write_whole_bytes(text.encode(), path)


def write_whole_bytes(content: bytes, path: Path) -> None:
    """Write ``content``, atomically; the folder of ``path`` exists."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
