"""Ask a server for a range of an archive, and refuse every answer that cannot be it."""

import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener, getproxies, proxy_bypass, url2pathname

from cifar_mlp import __version__

BLOCK = 1 << 16
WEB_PAGES = ("text/html", "application/xhtml+xml", "application/json")
GZIP = b"\x1f\x8b"
READ_ERRORS = (OSError, HTTPException, ValueError)  # all that urllib raises, on bad redirects too


class ServerFailedError(Exception):
    """A server cannot be used, or no longer; the message continues a sentence that begins with its address."""


class ServerAnswer(NamedTuple):
    """Bytes as they arrive.

    Attributes:
        stream: Open, to be closed by the caller.
        start: Position of its first byte in the archive; 0 where the server knows no ranges.
    """

    stream: Any
    start: int

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Each chunk as it arrives, after its position in the archive.

        Raises:
            ServerFailedError: If the connection fails, is silent for too long, or brings no gzip file.
        """
        position = self.start
        while chunk := self._read():
            if position == 0 and not GZIP.startswith(chunk[:2]):
                raise ServerFailedError("sent something that is not a gzip file")
            yield position, chunk
            position += len(chunk)

    def _read(self) -> bytes:
        try:
            content: bytes = self.stream.read1(BLOCK)
        except TimeoutError as error:
            raise ServerFailedError("fell silent") from error
        except READ_ERRORS as error:
            raise ServerFailedError(f"broke off ({error})") from error
        return content


def ask(url: str, start: int, stop: int, length: int, silence: float) -> ServerAnswer:
    """Ask for the bytes from ``start`` to before ``stop``; proxies are those of the environment.

    Args:
        url: http, https or file address of the archive.
        start: First byte wanted.
        stop: Byte after the last.
        length: What the whole archive must have, in bytes.
        silence: Seconds without a byte after which it has failed.

    Raises:
        ServerFailedError: If there is no answer, an error, a web page, or another length.
    """
    if urlsplit(url).scheme == "file":
        return _from_file(url, start, length)
    headers = {"Range": f"bytes={start}-{stop - 1}", "User-Agent": f"cifar-mlp/{__version__}"}
    try:
        response = build_opener().open(Request(url, headers=headers), timeout=silence)
    except HTTPError as error:
        error.close()
        raise ServerFailedError(f"answered {error.code} {error.reason}") from error
    except READ_ERRORS as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise ServerFailedError(f"cannot be reached{_through(url)} ({reason})") from error
    try:
        return ServerAnswer(response, _first_byte(response, url, start, length))
    except ServerFailedError:
        response.close()
        raise


def _through(url: str) -> str:
    """Says if the environment sends ``url`` to a proxy, but not to which: its address may hold a password."""
    address = urlsplit(url)
    used = address.scheme in getproxies() and not proxy_bypass(address.hostname or "")
    return f" through the proxy of {address.scheme}_proxy" if used else ""


def _from_file(url: str, start: int, length: int) -> ServerAnswer:
    path = Path(url2pathname(urlsplit(url).path))
    try:
        if path.stat().st_size != length:
            raise ServerFailedError(f"has {path.stat().st_size:,} bytes, not {length:,}")
        stream = path.open("rb")
    except OSError as error:
        raise ServerFailedError(f"cannot be read ({error.strerror})") from error
    stream.seek(start)
    return ServerAnswer(stream, start)


def _first_byte(response: Any, url: str, start: int, length: int) -> int:
    """Where the answer begins in the archive."""
    kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
    if kind in WEB_PAGES:  # but not text/plain, which many servers say of a file that they do not know
        moved = f"redirected to {response.url}, and that " if response.url != url else ""
        raise ServerFailedError(f"{moved}answered with {'a web page' if 'html' in kind else kind}")
    if response.status != 206:
        _require_length(response.headers.get("Content-Length"), length)
        return 0
    said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if said is None or int(said[1]) != start:
        raise ServerFailedError("answered with another range")
    _require_length(said[2], length)
    return start


def _require_length(said: str | None, length: int) -> None:
    if said not in (None, "*", str(length)):
        raise ServerFailedError(f"has {said} bytes, not {length}")
