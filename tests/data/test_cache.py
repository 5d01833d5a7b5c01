import errno
import os
import re
from pathlib import Path

import pytest
import torch

from cifar_mlp.data.cache import cache_path, read_cache, write_cache

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([1.5])}


def test_what_was_written_is_read():
    path = cache_path("cache", {"x": 1})
    write_cache(path, TENSORS)
    found = read_cache(path)
    assert found is not None
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    assert list(path.parent.iterdir()) == [path]


def test_the_name_depends_on_the_key_alone():
    assert cache_path("c", {"x": 1, "y": 2}) == cache_path("c", {"y": 2, "x": 1})
    assert cache_path("c", {"x": 1}) != cache_path("c", {"x": 2})


@pytest.mark.parametrize("damage", ["empty", "truncated", "altered"])
def test_a_damaged_file_is_never_read_as_whole(damage: str, capsys: pytest.CaptureFixture[str]):
    path = cache_path("cache", {})
    write_cache(path, TENSORS)
    content = path.read_bytes()
    if damage == "altered":
        torch.save({**torch.load(path), "tensors": {**TENSORS, "b": torch.tensor([2.5])}}, path)
    else:
        path.write_bytes(content[: 0 if damage == "empty" else len(content) // 2])
    assert read_cache(path) is None
    assert "damaged" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_named():
    Path("file").write_text("")
    with pytest.raises(ValueError, match=r"--data.cache_dir 'file/cache' cannot be written"):
        write_cache(Path("file/cache/pca.pt"), TENSORS)


def test_a_full_disk_is_one_line_and_no_cache(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    write_cache(Path("cache/pca.pt"), {"mean": torch.zeros(3)})
    assert re.fullmatch(
        r"continuing without the cache: cache/pca\.pt cannot be written .* MiB are free.*\n", capsys.readouterr().out
    )
    assert not list(Path("cache").iterdir())
