"""CIFAR-100 in its three forms: what of it is proven to be published, and what is said where that is not."""

import dataclasses
import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cifar_mlp.cli.data_command import main
from cifar_mlp.data import sources
from cifar_mlp.data.cifar import CIFAR100, CIFARFiles
from cifar_mlp.data.forms.batch_files import PARTS, Part, Table
from cifar_mlp.data.forms.published import DIFFERS, HAS_MD5, NOT_COMPARED, PUBLISHED

SIZES: dict[Part, int] = {"train": 120, "test": 30}
RECORD = 2 + 3072


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> CIFARFiles:
    """A small CIFAR-100, as ``python/``, ``binary/`` and ``rows/`` in the working directory; ``cifar100`` means it."""
    draw = np.random.default_rng(0)
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for folder in ("python", "binary", "rows"):
        Path(folder).mkdir()
    md5s, digests = {}, {}
    for part, count in SIZES.items():
        pixels = draw.integers(0, 256, (count, 3072), dtype=np.uint8)
        fine = [number * 7 % 100 for number in range(count)]
        coarse = [number * 3 % 20 for number in range(count)]
        batch = pickle.dumps({"data": pixels, "fine_labels": fine, "coarse_labels": coarse}, protocol=2)
        Path("python", part).write_bytes(batch)
        records = b"".join(bytes([c, f]) + row.tobytes() for c, f, row in zip(coarse, fine, pixels, strict=True))
        Path("binary", f"{part}.bin").write_bytes(records)
        cells = []
        for row in pixels:
            Image.fromarray(row.reshape(3, 32, 32).transpose(1, 2, 0)).save(file := io.BytesIO(), "PNG")
            cells.append({"bytes": file.getvalue(), "path": None})
        table = pa.table({"img": cells, "fine_label": fine, "coarse_label": coarse})
        pq.write_table(table, f"rows/{part}-00000-of-00001.parquet")
        md5s[part], digests[part] = hashlib.md5(batch).hexdigest(), hashlib.sha256(records).hexdigest()
    table = Table("python", [("train", md5s["train"])], [("test", md5s["test"])], "http://127.0.0.1:9", "0" * 32)
    source = dataclasses.replace(CIFAR100, table=lambda: table, num_train=120, num_test=30, file_digests=digests)
    monkeypatch.setitem(sources.SOURCES, "cifar100", source)
    return source


def said_by_data(root: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which ``cifar-mlp data`` fails."""
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["--source", "cifar100", "--root", root, "--sheet", "none"])
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_every_form_gives_the_same_and_is_proven(made: CIFARFiles, capsys: pytest.CaptureFixture[str]):
    for part in PARTS:
        expected = made.read("python", part)
        assert expected.checked == HAS_MD5
        for form in ("binary", "rows"):
            found = made.read(form, part)
            assert found.checked == PUBLISHED
            assert (found.images == expected.images).all()
            assert (found.labels == expected.labels).all()
            made.load(form, part, 0)
    assert capsys.readouterr().out == ""
    main(["--source", "cifar100", "--root", "binary", "--sheet", "none"])
    assert f"test: 30 images, binary batches in binary (named by --data.root): {PUBLISHED}" in capsys.readouterr().out


@pytest.mark.parametrize("position", [0, 1, 2, 119 * RECORD + 2, 119 * RECORD + 3073])
def test_a_changed_byte_of_the_binary_version_is_refused(made: CIFARFiles, position: int, capsys):
    path = Path("binary/train.bin")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(ValueError, match=f"does not hold the published.*SHA-256 of train.bin is {digest}, expected"):
        made.load("binary", "train", 0)
    assert made.read("binary", "test").checked == PUBLISHED
    assert f"train.bin is {digest}" in said_by_data("binary", capsys)


@pytest.mark.parametrize("change", ["order", "fine_label", "coarse_label"])
def test_rows_that_differ_are_read_and_it_is_said(made: CIFARFiles, change: str, capsys):
    import pyarrow.parquet as pq

    path = "rows/train-00000-of-00001.parquet"
    table = pq.read_table(path)
    if change == "order":
        table = table.take([1, 0, *range(2, 120)])
    else:
        labels = table.column(change).to_pylist()
        table = table.set_column(table.schema.names.index(change), change, [[labels[0] ^ 1, *labels[1:]]])
    pq.write_table(table, path)
    images, _ = made.load("rows", "train", 0)
    assert capsys.readouterr().out == f"train images from rows: {DIFFERS}\n"
    swap = [1, 0] if change == "order" else [0, 1]
    assert (images[swap] == made.load("python", "train", 0)[0][:2]).all()
    assert f"train images from rows: {DIFFERS}" in said_by_data("rows", capsys)


def test_rows_without_coarse_labels_are_read_and_it_is_said(made: CIFARFiles, capsys):
    import pyarrow.parquet as pq

    path = "rows/test-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).drop_columns("coarse_label"), path)
    assert len(made.load("rows", "test", 0)[0]) == 30
    assert capsys.readouterr().out == f"test images from rows: {NOT_COMPARED}\n"


def test_labels_that_are_no_classes_are_refused(made: CIFARFiles):
    path = Path("binary/test.bin")
    path.write_bytes(b"\x00\xff" + path.read_bytes()[2:])
    with pytest.raises(ValueError, match="binary holds labels that are no classes of cifar100"):
        made.load("binary", "test", 0)


def test_the_published_digests_are_of_two_files():
    assert CIFAR100.file_digests.keys() == set(PARTS)
    assert {len(digest) for digest in CIFAR100.file_digests.values()} == {64}
