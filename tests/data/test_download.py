import functools
import hashlib
import http.server
import tarfile
import threading
import time
from pathlib import Path

import pytest

from cifar_mlp.data import download as module
from cifar_mlp.data.download import download


@pytest.fixture
def archive(tmp_path: Path):
    """An archive of one folder, served on this machine: its address and MD5."""
    folder = tmp_path / "a-folder"
    folder.mkdir()
    (folder / "file").write_text("content")
    served = tmp_path / "served"
    served.mkdir()
    with tarfile.open(served / "archive.tar.gz", "w:gz") as tar:
        tar.add(folder, "a-folder")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    md5 = hashlib.md5((served / "archive.tar.gz").read_bytes()).hexdigest()
    yield f"http://127.0.0.1:{server.server_address[1]}/archive.tar.gz", md5
    server.shutdown()
    server.server_close()


def test_the_archive_is_fetched_checked_and_unpacked(archive: tuple[str, str]):
    url, md5 = archive
    download(url, md5, Path("data"), "a-folder")
    assert Path("data/a-folder/file").read_text() == "content"
    assert [path.name for path in Path("data").iterdir()] == ["a-folder"]


def test_a_wrong_archive_is_refused_and_leaves_nothing(archive: tuple[str, str]):
    with pytest.raises(FileNotFoundError, match=r"a-folder.*data.*could not be downloaded.*--data.root"):
        download(archive[0], "0" * 32, Path("data"), "a-folder")
    assert list(Path("data").iterdir()) == []


def test_no_connection_is_given_up_soon(monkeypatch: pytest.MonkeyPatch):
    def hang(*_: object, **__: object) -> None:
        time.sleep(20)
        raise OSError("nobody waits for this any more")

    monkeypatch.setattr(module.socket, "create_connection", hang)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.2)
    started = time.perf_counter()
    with pytest.raises(FileNotFoundError, match="no answer"):
        download("https://example.invalid/archive.tar.gz", "0" * 32, Path("data"), "a-folder")
    assert time.perf_counter() - started < 10
    assert not Path("data").exists()


def test_a_proxy_that_does_not_answer_is_no_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    assert "refused" in str(module.unreachable("https://example.invalid/archive.tar.gz", 5.0))


def test_the_limits_add_up_to_less_than_twenty_seconds():
    assert module.CONNECT_SECONDS < 20
