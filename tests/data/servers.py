"""Real servers on this machine that serve one archive, each badly in its way."""

import http.server
import io
import random
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from cifar_mlp.data.download.archives import Archive
from cifar_mlp.data.download.server_pool import Limits

FOLDER = "a-folder"
PROBE = 32_768
LATE = 0.1  # seconds: such a server loses the race and is next
LIMITS = Limits(
    probe_bytes=PROBE, probe_seconds=1.0, silence=0.5, slow=200_000.0, hopeless=2_000.0, window=0.2
)  # fmt: skip


def made_archive(size: int = 200_000) -> tuple[bytes, bytes]:
    """A gzipped archive of one folder with one file, and the file's content."""
    content = random.Random(0).randbytes(size)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        entry = tarfile.TarInfo(f"{FOLDER}/file")
        entry.size = size
        tar.addfile(entry, io.BytesIO(content))
    return file.getvalue(), content


BYTES, CONTENT = made_archive()


class Servers:
    """One server; the first word of a path says how it behaves. ``asked`` lists paths and first bytes asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.requested: list[tuple[str, int, int]] = []

    def archive(self, *behaviours: str) -> Archive:
        """The archive as served by these."""
        urls = tuple(b if "://" in b else self.url(b) for b in behaviours)
        return Archive("archive.tar.gz", FOLDER, len(BYTES), sha256(BYTES).hexdigest(), urls)

    def url(self, behaviour: str) -> str:
        return f"{self.address}/{behaviour}/archive.tar.gz"

    def transfers(self, behaviour: str) -> list[int]:
        """First byte of each request that was more than a probe."""
        return [start for name, start, count in self.requested if name == behaviour and count > PROBE]


@contextmanager
def serving() -> Iterator[Servers]:
    """Serve until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            with suppress(OSError):  # the client has left
                self._answer()

        def _answer(self) -> None:
            behaviour = self.path.rsplit("/", 2)[-2]  # a proxy is asked for a whole address
            start, stop = self._range()
            servers.requested.append((behaviour, start, stop - start))
            words = behaviour.split("-")
            if "late" in words:
                time.sleep(LATE)
            if "later" in words:
                time.sleep(2 * LATE)
            if "login" in words:
                return self._send(302, b"", Location="/html/login")
            if "html" in words:
                return self._send(200, b"<html>Please log in</html>", **{"Content-Type": "text/html; charset=utf-8"})
            if "missing" in words:
                return self._send(404, b"")
            content, kind = BYTES, {"Content-Type": "text/plain"} if "plaintext" in words else {}
            if "lying" in words:  # right at first, so that nothing but the digest can tell
                content = BYTES[:PROBE] + bytes(255 - byte for byte in BYTES[PROBE:])
            if "short" in words:
                content = content[:-1]
            if "noranges" in words:
                return self._send(200, content)
            if "toomuch" in words:  # says no length, and does not stop
                return self._send(200, content + bytes(100_000), length=None)
            body = content[start:stop]
            ranges = {"Content-Range": f"bytes {start}-{min(stop, len(content)) - 1}/{len(content)}", **kind}
            probe = stop - start <= PROBE
            if "shifted" in words and start:
                ranges["Content-Range"] = f"bytes 0-{len(content) - 1}/{len(content)}"
            half = len(body) // 2
            if "crumbling" in words:  # a fiftieth each time
                return self._send(206, body[: len(content) // 50], length=len(body), **ranges)
            if "breaking" in words and not probe:
                return self._send(206, body[:half], length=len(body), **ranges)
            if "stalling" in words and not probe:
                self._send(206, body[:half], length=len(body), **ranges)
                return time.sleep(2)
            if ("slow" in words or "trickling" in words) and not probe:
                self._send(206, b"", length=len(body), **ranges)
                step = 8192 if "slow" in words else 1
                for position in range(0, len(body), step):
                    self.wfile.write(body[position : position + step])
                    time.sleep(0.1)
                return None
            return self._send(206, body, **ranges)

        def _range(self) -> tuple[int, int]:
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
            assert found is not None
            return int(found[1]), int(found[2]) + 1

        def _send(self, status: int, body: bytes, length: int | None = -1, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if length is not None:
                self.send_header("Content-Length", str(len(body) if length == -1 else length))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    servers = Servers(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield servers
    finally:
        server.shutdown()
        server.server_close()


def is_there() -> bool:
    return Path("data", FOLDER, "file").is_file()
