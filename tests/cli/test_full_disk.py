"""A disk that is really full: the line names the file, what was good stays, and what is not needed is left out."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.killed import ended, start

FIT = ["fit", "--data.source", "digits", "--model.hidden_sizes", "[64]", "--views.all", "false", "--resume", "auto"]
RUN = "lightning_logs/digits-default/version_0"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 800 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=800k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(["mount", *options], capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, free: int) -> None:
    """Leave so many bytes."""
    left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(left - free))


def fit(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Exit code and printed lines."""
    (folder / "output.txt").unlink(missing_ok=True)
    code = ended(start([*FIT, *options], folder))
    return code, (folder / "output.txt").read_text().splitlines()


def test_a_checkpoint_that_has_no_room_is_one_line_and_the_one_before_stays(tmp_path: Path, small_disk: Path):
    on_it = ["--trainer.default_root_dir", str(small_disk)]
    assert fit(tmp_path, *on_it, "--trainer.max_epochs", "1")[0] == 0
    last = small_disk / RUN / "checkpoints/last.ckpt"
    before = last.read_bytes()
    fill(small_disk, 30_000)
    code, lines = fit(tmp_path, *on_it, "--trainer.max_epochs", "3")
    assert code == 1
    assert "Traceback" not in "".join(lines)
    assert "t.ckpt cannot be written (No space left on device): it needs more than" in lines[-1]
    assert re.search(r"\d KiB are free; make room", lines[-1])
    assert last.read_bytes() == before
    assert sorted(path.name for path in last.parent.iterdir()) == ["best.ckpt", "last.ckpt"]
    (small_disk / "filler").unlink()
    assert fit(tmp_path, *on_it, "--trainer.max_epochs", "3")[0] == 0


def test_without_room_for_the_cache_the_run_continues(tmp_path: Path, small_disk: Path):
    fill(small_disk, 4096)
    cache = ["--data.n_components", "20", "--data.cache_dir", str(small_disk / "cache")]
    code, lines = fit(tmp_path, *cache, "--trainer.max_epochs", "1")
    assert code == 0
    (said,) = [line for line in lines if "cannot be written" in line]
    assert said.startswith(f"continuing without the cache: {small_disk}/cache/pca-")
    assert not list((small_disk / "cache").iterdir())


def test_without_room_for_curves_and_pictures_the_run_continues(tmp_path: Path, small_disk: Path):
    fill(small_disk, 28 * 1024)
    options = ["--trainer.default_root_dir", str(small_disk), "--trainer.enable_checkpointing", "false"]
    code, lines = fit(tmp_path, *options, "--views.all", "true", "--trainer.max_epochs", "2")
    assert "Traceback" not in "".join(lines)
    (said,) = [line for line in lines if "not written any more" in line]
    assert f"{small_disk}/{RUN}/events.out.tfevents." in said
    assert "No space left on device" in said
    assert re.search(r"it needs more than the \d+ KiB that are free", said)
    assert [line for line in lines if line.startswith("epoch 2/2")]
    assert not [line for line in lines if "not drawn" in line]
    assert code == 0 or "provenance.json cannot be written" in lines[-1]  # how long it took, at its end
