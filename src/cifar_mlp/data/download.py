"""Fetch a data set's archive, once, and give up soon where there is no connection."""

import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

CONNECT_SECONDS = 15.0
STALL_SECONDS = 15.0


class DownloadFailedError(FileNotFoundError):
    """No root was given, there are no files in the default one, and none could be fetched."""


def download(url: str, md5: str, root: Path, folder: str) -> None:
    """Fetch ``url``, check it, unpack it, and put its ``folder`` below ``root``.

    The folder appears whole or not at all: everything before the last rename happens in a temporary folder.

    Args:
        url: Address of the archive.
        md5: MD5 that the archive must have.
        root: Where ``folder`` shall lie; made if need be.
        folder: Name of the folder inside the archive.

    Raises:
        DownloadFailedError: If the archive cannot be downloaded; says what was tried and what to do instead.
    """
    from torchvision.datasets.utils import download_and_extract_archive

    print(f"no data found in {root}/ and no --data.root given: downloading {url}", flush=True)
    reason = unreachable(url, CONNECT_SECONDS)
    if reason is None:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(STALL_SECONDS)
        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as unfinished:
                download_and_extract_archive(url, unfinished, md5=md5)
                shutil.rmtree(root / folder, ignore_errors=True)
                os.replace(Path(unfinished) / folder, root / folder)
            return
        except (OSError, RuntimeError) as error:
            reason = str(error)
        finally:
            socket.setdefaulttimeout(before)
    raise DownloadFailedError(
        f"{folder} was looked for in {str(root)!r} and could not be downloaded from {url} ({reason}): "
        f"unpack that archive yourself and give the folder that holds {folder!r} as --data.root or CIFAR10_ROOT"
    )


def unreachable(url: str, seconds: float) -> str | None:
    """Why no connection to the host of ``url`` is possible within ``seconds``; ``None`` if it can.

    A thread tries it, since looking up a name may hang longer than any socket timeout.
    """
    address = urlsplit(url)
    address = urlsplit(getproxies().get(address.scheme, url))  # where the way leads through a proxy, ask that one
    outcome: list[str | None] = ["no answer"]

    def connect() -> None:
        try:
            port = address.port or {"http": 80}.get(address.scheme, 443)
            socket.create_connection((address.hostname or "", port), timeout=seconds).close()
            outcome[0] = None
        except OSError as error:
            outcome[0] = str(error)

    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(seconds)
    return outcome[0]
