import errno
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cifar_mlp.data.download import transfer_progress
from cifar_mlp.data.download.archives import CIFAR10_ARCHIVE, CIFAR100_ARCHIVE
from cifar_mlp.data.download.pieces import sender_of
from cifar_mlp.data.download.server_pool import Limits
from cifar_mlp.data.download.transfer_progress import TransferProgress
from cifar_mlp.data.download.whole_archive import DownloadFailedError, download, mirror_url
from tests.data.servers import BYTES, CONTENT, FOLDER, LIMITS, PROBE, Servers, is_there, serving

DEAD = "http://127.0.0.1:9/archive.tar.gz"  # nobody listens there


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as found:
        yield found


def fetch(servers: Servers, *behaviours: str, mirror: str | None = None, limits: Limits = LIMITS) -> None:
    download(servers.archive(*behaviours), Path("data"), is_there, mirror, limits)
    assert Path("data", FOLDER, "file").read_bytes() == CONTENT
    assert {path.name for path in Path("data").iterdir()} == {FOLDER, f".{FOLDER}.lock"}


def test_the_first_to_answer_continues_and_nobody_waits_for_the_others(servers: Servers):
    began = time.monotonic()
    fetch(servers, "late", "good", "late-stalling", DEAD)
    assert servers.transfers("good") == [0]
    assert not servers.transfers("late")
    assert time.monotonic() - began < LIMITS.probe_seconds


@pytest.mark.parametrize("bad", ["html", "login", "missing", "short", DEAD])
def test_a_server_of_something_else_is_never_used(servers: Servers, bad: str):
    fetch(servers, bad, "late")
    assert servers.transfers("late") == [0]
    assert not [start for name, start, _ in servers.requested if name == bad and start]


@pytest.mark.parametrize(
    ("bad", "said"),
    [("breaking", "broke off"), ("stalling", "fell silent"), ("slow", "changing to a faster server")],
)
def test_the_next_continues_from_the_byte_where_another_stopped(
    servers: Servers, bad: str, said: str, capsys: pytest.CaptureFixture[str]
):
    fetch(servers, bad, "late")
    assert servers.transfers(bad) == [0]
    (start,) = servers.transfers("late")
    assert 0 < start < len(BYTES)
    assert said in capsys.readouterr().out


def test_without_ranges_the_next_sends_what_is_there_once_more(servers: Servers):
    fetch(servers, "breaking", "late-noranges")
    assert servers.transfers("late-noranges")[0] > 0


def test_another_range_than_the_one_asked_for_is_refused(servers: Servers):
    fetch(servers, "breaking", "late-shifted", "later-noranges")
    assert servers.transfers("later-noranges")


@pytest.mark.parametrize("odd", ["toomuch", "plaintext"])
def test_too_much_is_cut_at_the_archives_end_and_a_file_may_be_called_text(servers: Servers, odd: str):
    fetch(servers, odd)


def test_a_slow_server_is_used_where_there_is_no_faster(servers: Servers):
    fetch(servers, "slow", limits=LIMITS._replace(slow=1e9))
    assert servers.transfers("slow") == [0]


def test_a_hopeless_server_is_given_up(servers: Servers):
    with pytest.raises(DownloadFailedError, match="bytes a second"):
        fetch(servers, "trickling")


@pytest.mark.parametrize(("bad", "times"), [("breaking", 2), ("crumbling", 40)])
def test_one_that_breaks_off_again_and_again_is_enough(servers: Servers, bad: str, times: int):
    fetch(servers, bad)
    starts = servers.transfers(bad)
    assert starts == sorted(set(starts))
    assert len(starts) > times


def test_a_liar_is_dropped_and_its_bytes_with_it(servers: Servers, capsys: pytest.CaptureFixture[str]):
    fetch(servers, "lying", "late")
    assert f"{servers.url('lying')} sent other bytes" in capsys.readouterr().out
    assert servers.transfers("lying") == [0]
    assert servers.transfers("late") == [0]


def test_one_liar_among_several_loses_its_part_only(servers: Servers, capsys: pytest.CaptureFixture[str]):
    fetch(servers, "lying-breaking", "late")
    refetched = [(start, count) for name, start, count in servers.requested if name == "late" and count > PROBE]
    assert len(refetched) == 2
    assert sum(count for _, count in refetched) == len(BYTES), "the honest part came twice"
    assert "is not right" in capsys.readouterr().out


def test_liars_alone_end_in_one_clear_line(servers: Servers):
    with pytest.raises(DownloadFailedError, match=r"(?s)sent other bytes.*--data\.mirror.*--data\.root") as caught:
        fetch(servers, "lying", "late-lying", "lying-breaking")
    assert "\n" not in str(caught.value)
    assert not Path("data", FOLDER).exists()
    assert len(servers.requested) < 30


def test_of_two_liars_and_an_honest_server_the_honest_wins(servers: Servers):
    fetch(servers, "lying-breaking", "late-lying", "later")


def test_with_nobody_there_it_fails_soon_and_says_what_each_did(servers: Servers):
    began = time.monotonic()
    with pytest.raises(DownloadFailedError, match=r"refused.*that answered with a web page.*answered 404") as caught:
        fetch(servers, DEAD, "login", "late-missing")
    assert "the next start" not in str(caught.value), "nothing has come"
    assert time.monotonic() - began < LIMITS.probe_seconds
    assert not Path("data").exists()
    assert Limits().probe_seconds <= 5


def test_silence_in_the_probe_is_an_answer_too(servers: Servers):
    with pytest.raises(DownloadFailedError, match=r"gave no answer in 0\.05 s"):
        fetch(servers, "late", limits=LIMITS._replace(probe_seconds=0.05))


@pytest.mark.parametrize("known", [True, False])
def test_the_next_start_continues_whoever_sent_the_beginning(servers: Servers, known: bool):
    work = Path("data", f".download-{FOLDER}")
    work.mkdir(parents=True)
    sender = sender_of(servers.url("good") if known else "http://gone.example")
    (work / f"{0:012d}-{sender}").write_bytes(BYTES[:100_000])
    fetch(servers, "good")
    assert servers.transfers("good") == [100_000]


@pytest.mark.parametrize("known", [True, False])
def test_a_wrong_beginning_of_an_earlier_start_is_fetched_again(servers: Servers, known: bool):
    work = Path("data", f".download-{FOLDER}")
    work.mkdir(parents=True)
    sender = sender_of(servers.url("good") if known else "http://gone.example")
    (work / f"{0:012d}-{sender}").write_bytes(bytes(100_000))
    fetch(servers, "good")


def test_the_mirror_is_tried_first_and_the_others_are_not_asked(servers: Servers):
    fetch(servers, "good", mirror=servers.url("late"))
    assert {name for name, *_ in servers.requested} == {"late"}


@pytest.mark.parametrize("mirror", ["missing", "breaking", "slow"])
def test_where_the_mirror_fails_it_is_said_and_the_others_go_on(
    servers: Servers, mirror: str, capsys: pytest.CaptureFixture[str]
):
    fetch(servers, "good", mirror=servers.url(mirror))
    assert servers.transfers("good")
    assert re.search(f"^{servers.url(mirror)} (answered 404|broke off|sends)", capsys.readouterr().out, re.M)


def test_a_file_is_a_mirror(servers: Servers, tmp_path: Path):
    path = tmp_path / "class room" / "archive.tar.gz"
    path.parent.mkdir()
    path.write_bytes(BYTES)
    fetch(servers, "good", mirror=path.as_uri())
    assert not servers.requested
    path.write_bytes(BYTES[:-1])
    with pytest.raises(DownloadFailedError, match=r"has 20.* bytes, not"):
        download(servers.archive(), Path("other"), lambda: False, path.as_uri(), LIMITS)


def test_the_option_names_the_mirror_and_else_the_environment(monkeypatch: pytest.MonkeyPatch):
    assert mirror_url(None, CIFAR10_ARCHIVE) is None
    monkeypatch.setenv("CIFAR10_MIRROR", "http://here/")
    assert mirror_url(None, CIFAR10_ARCHIVE) == "http://here/cifar-10-python.tar.gz"
    assert mirror_url(None, CIFAR100_ARCHIVE) == "http://here/cifar-100-python.tar.gz"
    assert mirror_url("https://there/a.tar.gz", CIFAR10_ARCHIVE) == "https://there/a.tar.gz"
    with pytest.raises(ValueError, match=r"--data\.mirror must be.*file:///.*, not 'data/a\.tar\.gz'"):
        mirror_url("data/a.tar.gz", CIFAR10_ARCHIVE)
    monkeypatch.setenv("CIFAR10_MIRROR", "ftp://here/a")
    with pytest.raises(ValueError, match="CIFAR10_MIRROR must be"):
        mirror_url(None, CIFAR10_ARCHIVE)


def test_a_proxy_of_the_environment_is_asked(servers: Servers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", servers.address)
    fetch(servers, "http://example.invalid/good/archive.tar.gz")
    assert servers.transfers("good") == [0]
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    with pytest.raises(DownloadFailedError, match="through the proxy of http_proxy") as caught:
        download(servers.archive("good"), Path("other"), lambda: False, None, LIMITS)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(servers: Servers):
    Path("data").write_text("a file")
    with pytest.raises(DownloadFailedError, match=r"'data'.*--data\.root"):
        fetch(servers, "good")


@pytest.mark.parametrize("there", ["folder", "link", "broken link"])
def test_what_is_in_the_place_makes_room_and_other_files_stay(servers: Servers, there: str, tmp_path: Path):
    (other := tmp_path / "other").mkdir()
    for name in ("file", "mine"):
        (other / name).write_text("mine")
    Path("data").mkdir()
    if there == "folder":
        other.rename(Path("data", FOLDER))
    else:
        Path("data", FOLDER).symlink_to(other if there == "link" else "nowhere")
    download(servers.archive("good"), Path("data"), lambda: False, None, LIMITS)
    assert Path("data", FOLDER, "file").read_bytes() == CONTENT
    kept = Path("data", FOLDER) if there == "folder" else other
    assert (kept / "mine").read_text() == "mine"


def test_a_file_in_the_place_is_refused_before_the_download(servers: Servers):
    Path("data").mkdir()
    Path("data", FOLDER).touch()
    with pytest.raises(DownloadFailedError, match=f"data/{FOLDER} is a file.*move it"):
        fetch(servers, "good")
    assert not servers.requested


def test_a_full_disk_is_named_and_loses_nothing(servers: Servers, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", full)
        with pytest.raises(DownloadFailedError, match=r"no room for archive.tar.gz in 'data'.*needs.*--data\.root"):
            fetch(servers, "good")
    assert sum(path.stat().st_size for path in Path("data", f".download-{FOLDER}").iterdir()) == len(BYTES)
    servers.requested.clear()
    fetch(servers, "good")
    assert not servers.requested


PROCESS = """
import sys
from pathlib import Path
from cifar_mlp.data.download.archives import Archive
from cifar_mlp.data.download.whole_archive import download
from tests.data.servers import FOLDER, LIMITS, is_there
archive = Archive("archive.tar.gz", FOLDER, int(sys.argv[1]), sys.argv[2], (sys.argv[3],))
download(archive, Path("data"), is_there, None, LIMITS)
"""


def start(servers: Servers, behaviour: str) -> "subprocess.Popen[str]":
    arguments = [str(len(BYTES)), sha256(BYTES).hexdigest(), servers.url(behaviour)]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"}
    command = [sys.executable, "-c", PROCESS, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(condition: object) -> None:
    for _ in range(1000):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.01)
    pytest.fail("it never happened")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_it_continues(servers: Servers, how: signal.Signals):
    process = start(servers, "slow")
    pieces = Path("data", f".download-{FOLDER}")
    wait_for(lambda: any(path.stat().st_size > PROBE for path in pieces.glob("0*")))
    process.send_signal(how)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert not is_there()
    fetch(servers, "good")
    assert servers.transfers("good")[0] > 0


def test_two_processes_download_once(servers: Servers):
    first, second = (start(servers, "slow") for _ in range(2))
    said = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert first.returncode == second.returncode == 0
    assert servers.transfers("slow") == [0]
    assert sum("waiting for it" in text for text in said) == 1
    assert Path("data", FOLDER, "file").read_bytes() == CONTENT


def test_a_log_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(transfer_progress, "SECONDS_BETWEEN_LINES", 0.1)
    began = time.monotonic()
    with TransferProgress("archive", 2_000_000, 500_000) as progress:
        for _ in range(25):
            progress.advance(10_000)
            time.sleep(0.01)
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) <= 10 * (time.monotonic() - began)
    assert lines[-1].startswith("archive: 0.")
    assert "of 2.0 MB, " in lines[-1]
    assert "MB/s, 0 min" in lines[-1]
    monkeypatch.setattr(transfer_progress, "SECONDS_BETWEEN_LINES", 1_000.0)
    progress.begin("another server")
    monkeypatch.setattr(transfer_progress, "SECONDS_BETWEEN_LINES", 0.0)
    progress.advance(1)
    assert capsys.readouterr().out.endswith("of 2.0 MB\n"), "a rate of another server"


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    with TransferProgress("archive", 2_000_000, 500_000) as progress:
        progress.advance(500_000)
        progress.say("a word")
    said = capsys.readouterr().out
    assert "a word" in said
    assert "1.0/2.0 MB" in said
