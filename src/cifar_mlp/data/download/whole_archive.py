"""Fetch a data set's archive once, from the fastest server, and continue where an earlier start stopped."""

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from cifar_mlp.common.atomic_write import full_disk
from cifar_mlp.data.download.archives import Archive
from cifar_mlp.data.download.fetch import AllServersFailedError, Fetch
from cifar_mlp.data.download.pieces import Pieces
from cifar_mlp.data.download.server_pool import Limits, ServerPool
from cifar_mlp.data.download.transfer_progress import MEGABYTE, TransferProgress

MIRROR_VARIABLE = "CIFAR10_MIRROR"
LATER = "the next start continues with what has come"
ROOM = 2.2  # times the archive: the archive and either its pieces or what is unpacked


class DownloadFailedError(FileNotFoundError):
    """There are no files, and none could be fetched."""


def download(
    archive: Archive,
    root: Path,
    is_there: Callable[[], bool],
    mirror: str | None = None,
    limits: Limits = Limits(),  # noqa: B008, immutable
) -> None:
    """Fetch ``archive``, check its SHA-256, unpack it, and put its folder below ``root``.

    The folder appears complete or not at all. Until then its bytes stay in ``.download-FOLDER``, and the next start
    continues. Of several processes one downloads, and the others wait.

    Args:
        archive: What to fetch.
        root: Folder to put it in; created if missing.
        is_there: Whether another process has done it meanwhile.
        mirror: Address to be tried first, see :func:`mirror_url`.
        limits: When a server is too slow.

    Raises:
        DownloadFailedError: If it cannot be downloaded; says what was tried and what to do instead.
    """
    work = root / f".download-{archive.folder}"
    if (root / archive.folder).is_file():
        raise DownloadFailedError(f"{root / archive.folder} is a file, where a folder is to be: move it away")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadFailedError(
            f"{archive.folder} cannot be downloaded to {str(root)!r} ({error.strerror}): name a folder by "
            "--data.root or CIFAR10_ROOT"
        ) from error
    with _only_one(_lock_file(root, archive), archive), _needing_room(archive, root, work):
        if is_there():
            return
        work.mkdir(parents=True, exist_ok=True)  # another process may have failed to finish
        pool, pieces = ServerPool(archive, mirror, limits), Pieces(work, archive.length)
        received = sum(pieces.senders().values())
        print(f"downloading {archive.name} to {root}/" + (f", {received:,} bytes are there" if received else ""))
        try:
            with TransferProgress(archive.name, archive.length, received) as progress:
                Fetch(pool, pieces, work / "whole", progress).run()
            _unpack(pieces.keep_only(work / "whole"), archive.folder, root)
        except AllServersFailedError as error:
            if not pieces.senders():
                _leave_nothing(work, root, archive)
            later = f"; {LATER}" if work.exists() else ""
            raise DownloadFailedError(
                f"{archive.name} could not be downloaded to {str(root)!r} ({error}): name another server by "
                f"--data.mirror, or unpack that archive yourself and give the folder that holds {archive.folder!r} as "
                f"--data.root or CIFAR10_ROOT{later}"
            ) from error


def mirror_url(option: str | None, archive: Archive) -> str | None:
    """The server to be tried first: the option's, else that of ``CIFAR10_MIRROR``.

    Args:
        option: http, https or file address of the archive, or, ending in /, of a folder with it.
        archive: What is to be fetched.

    Raises:
        ValueError: If the address is of another kind; names the setting.
    """
    given = option or os.environ.get(MIRROR_VARIABLE)
    if not given:
        return None
    try:
        address = urlsplit(given)
    except ValueError:  # such as half an IPv6 address
        address = urlsplit("")
    if address.scheme not in ("http", "https", "file") or not (address.netloc or address.scheme == "file"):
        name = "--data.mirror" if option else MIRROR_VARIABLE
        raise ValueError(
            f"{name} must be the http, https or file address of {archive.name}, e.g. "
            f"{Path(archive.name).absolute().as_uri()}, not {given!r}"
        )
    return given + archive.name if given.endswith("/") else given


@contextmanager
def _only_one(path: Path, archive: Archive) -> Iterator[None]:
    """Hold the lock; says so if another process holds it first."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process is downloading {archive.name}: waiting for it", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _needing_room(archive: Archive, root: Path, work: Path) -> Iterator[None]:
    """On a full disk, give back the room of what the next start can make again, and say what is needed."""
    try:
        yield
    except OSError as error:
        if full_disk(error) is None:
            raise
        (work / "whole").unlink(missing_ok=True)
        shutil.rmtree(work / "unpacked", ignore_errors=True)
        free = shutil.disk_usage(root).free
        raise DownloadFailedError(
            f"no room for {archive.name} in {str(root)!r}: it needs {ROOM * archive.length / MEGABYTE:.0f} MB in all, "
            f"{free / MEGABYTE:.0f} MB are free beside what has come; make room, or name another folder by "
            f"--data.root or CIFAR10_ROOT; {LATER}"
        ) from error


def _leave_nothing(work: Path, root: Path, archive: Archive) -> None:
    """Remove what a download made before its first byte came; a folder with anything else in it stays."""
    shutil.rmtree(work)
    _lock_file(root, archive).unlink(missing_ok=True)
    with suppress(OSError):
        root.rmdir()


def _lock_file(root: Path, archive: Archive) -> Path:
    return root / f".{archive.folder}.lock"


def _unpack(whole: Path, folder: str, root: Path) -> None:
    """Put ``folder`` of the archive below ``root``, and remove all that was needed for it."""
    work = whole.parent
    unfinished = work / "unpacked"
    shutil.rmtree(unfinished, ignore_errors=True)
    with tarfile.open(whole) as tar:
        tar.extractall(unfinished, filter="data")
    _replace(root / folder, unfinished / folder)
    shutil.rmtree(work)


def _replace(old: Path, new: Path) -> None:
    """Put ``new`` where ``old`` is: a link goes, and the other files of a folder stay."""
    if old.is_symlink():
        old.unlink()
    if old.exists():
        for other in [path for path in old.iterdir() if not (new / path.name).exists()]:
            other.rename(new / other.name)
        shutil.rmtree(old)
    new.replace(old)
