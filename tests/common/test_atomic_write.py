"""A file is replaced whole, or stays what it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cifar_mlp.common.atomic_write import replacing, write_whole, write_whole_bytes

KILLED = """
import os
from pathlib import Path
from cifar_mlp.common.atomic_write import replacing
with replacing(Path("file")) as unfinished:
    unfinished.write_text("half")
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_beside_it(error: type[BaseException]):
    write_whole("old", Path("file"))

    def fail() -> None:
        with replacing(Path("file")) as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert Path("file").read_text() == "old"
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_a_killed_writer_leaves_the_old_file():
    write_whole("old", Path("file"))
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -signal.SIGKILL
    assert Path("file").read_text() == "old"
    assert len(list(Path().iterdir())) == 2
    write_whole("new", Path("file"))  # and takes away what that one left
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_two_writers_of_one_file_leave_each_other_alone():
    with replacing(Path("file")) as slow:
        slow.write_text("slow")
        write_whole("fast", Path("file"))
        assert slow.read_text() == "slow"
    assert Path("file").read_text() == "slow"
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_the_new_file_is_whole_and_has_a_new_file_s_mode():
    before = os.umask(0o027)
    try:
        write_whole_bytes(b"old", Path("file"))
        write_whole("größer", Path("file"))
    finally:
        os.umask(before)
    assert Path("file").read_bytes() == "größer".encode()
    assert Path("file").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in Path().iterdir()] == ["file"]
