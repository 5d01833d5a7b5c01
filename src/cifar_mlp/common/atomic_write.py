"""Files that are complete or not there."""

import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no room: on the disk, for the user, in one file


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path``; it replaces ``path`` on success and is removed on any error.

    Readers see the old file or the new one, never a part, and so does a machine that loses power. What a killed process
    has left of the same file is removed.

    Args:
        path: File, whose folder exists. The new one gets the mode that the umask gives any new file.

    Raises:
        OSError: If there is no room; names the file, and how much is free.
    """
    unfinished: Path | None = None
    descriptor, prefix = -1, f".unfinished-{path.name[:100]}-"
    try:
        _remove_left(path.parent, prefix)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
        unfinished = Path(name)
        _lock(descriptor)
        yield unfinished
        unfinished.chmod(0o666 & ~_umask())
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException as error:
        written = 0 if unfinished is None or not unfinished.exists() else unfinished.stat().st_size
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
        full = full_disk(error)
        if full is not None:
            raise OSError(_message(path, full, written)) from error
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _remove_left(folder: Path, prefix: str) -> None:
    """Remove what no process writes any more: a process holds a lock on its file, and the system releases it."""
    for name in glob.glob(f"{glob.escape(prefix)}*", root_dir=folder, include_hidden=True):
        with suppress(OSError), (folder / name).open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / name).unlink()


def _lock(descriptor: int) -> None:
    with suppress(OSError):  # a file system without locks keeps what a killed process leaves
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def full_disk(error: BaseException | None) -> OSError | None:
    """The refusal of a full disk behind an error; ``torch.save`` raises another while it handles the first."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def _message(path: Path, error: OSError, written: int) -> str:
    free = free_bytes(path.parent)
    before = "; the file of before is kept" if path.exists() else ""
    return (
        f"{path} cannot be written ({os.strerror(error.errno or 0)}): it needs more than {in_words(written)}, "
        f"{in_words(free)} are free; make room{before}"
    )


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def in_words(size: int) -> str:
    """A number of bytes, e.g. ``28 KiB``."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def can_be_written(path: Path) -> bool:
    """Whether a file can come to be there: in a folder that exists, and in the place of no folder."""
    return os.access(path.parent, os.W_OK) and not (path.exists() and not path.is_file())


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
