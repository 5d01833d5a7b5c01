"""The same images and labels, whatever form they are in."""

import os
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cifar_mlp.data.cifar import CIFAR10, CIFARFiles
from cifar_mlp.data.forms import hugging_face
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE
from cifar_mlp.data.regular_files import open_regular
from cifar_mlp.data.sources import SOURCES
from tests.made_cifar import FOLDER

TAR_ORDER = (4, 3, 2, 5, 1)  # of the training batches in the authors' archive, and so of Hugging Face's rows


def packed(folder: Path, archive: Path) -> None:
    order = [f"data_batch_{number}" for number in TAR_ORDER]
    names = sorted((path.name for path in folder.iterdir()), key=lambda name: (name.split(".")[0] not in order, name))
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(folder, folder.name, recursive=False)
        for name in names:
            tar.add(folder / name, f"{folder.name}/{name}")


def binary(batches: Path, to: Path) -> None:
    to.mkdir()
    for path in [*batches.glob("data_batch_*"), batches / "test_batch"]:
        batch = pickle.loads(path.read_bytes(), encoding="latin1")
        records = np.concatenate([np.array(batch["labels"], np.uint8)[:, None], batch["data"]], 1)
        (to / f"{path.name}.bin").write_bytes(records.tobytes())


def rows(source: CIFARFiles, root: str, to: Path, suffix: str) -> None:
    pa = pytest.importorskip("pyarrow")
    import io

    import pyarrow.parquet as pq

    to.mkdir(parents=True)
    for part in ("train", "test"):
        images, labels = source.load(root, part, seed=0)
        if part == "train":
            batches = [torch.arange(len(labels)).chunk(5)[number - 1] for number in TAR_ORDER]
            images, labels = images[torch.cat(batches)], labels[torch.cat(batches)]
        cells = []
        for image in images.permute(0, 2, 3, 1).numpy():
            Image.fromarray(image).save(file := io.BytesIO(), "PNG", compress_level=1)
            cells.append({"bytes": file.getvalue(), "path": None})
        table = pa.table({"img": pa.array(cells, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
                          "label": pa.array(labels.tolist(), pa.int64())})  # fmt: skip
        if suffix == ".parquet":
            pq.write_table(table, to / f"{part}-00000-of-00001.parquet", row_group_size=100)
        else:
            with (
                pa.OSFile(str(to / f"cifar10-{part}.arrow"), "wb") as file,
                pa.ipc.new_stream(file, table.schema) as out,
            ):
                out.write_table(table, 100)


def made_form(name: str, source: CIFARFiles, root: str, to: Path) -> list[Path]:
    """Write the set in one form below ``to``; returns every path that may name it."""
    to.mkdir()
    batches = Path(root) / FOLDER
    if name == "folder":
        (to / FOLDER).symlink_to(batches)
        return [to, to / FOLDER, to / FOLDER / "data_batch_1"]
    if name == "archive":
        packed(batches, to / "cifar-10-python.tar.gz")
        shutil.copy(to / "cifar-10-python.tar.gz", to.with_suffix(".renamed"))
        return [to, to / "cifar-10-python.tar.gz", to.with_suffix(".renamed")]
    if name.startswith("binary"):
        binary(batches, folder := to / "cifar-10-batches-bin")
        if name == "binary":
            return [to, folder]
        packed(folder, to / "cifar-10-binary.tar.gz")
        shutil.rmtree(folder)
        return [to, to / "cifar-10-binary.tar.gz"]
    if name == "arrow":
        rows(source, root, folder := to / "datasets/uoft-cs___cifar10/plain_text/0.0.0/abc", ".arrow")
        return [to, folder.parent.parent.parent, folder]
    rows(source, root, folder := to / "hub/datasets--uoft-cs--cifar10/snapshots/abc/plain_text", ".parquet")
    return [to, to / "hub", *list(folder.parents)[:3], folder, folder / "train-00000-of-00001.parquet"]


FORMS = ("folder", "archive", "binary", "binary archive", "parquet", "arrow")
READABLE = FORMS if hugging_face.can_read() else FORMS[:4]


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_images_in_the_same_order(small_cifar: Path, tmp_path: Path, name: str):
    source = SOURCES["cifar10"]
    assert isinstance(source, CIFARFiles)
    for path in made_form(name, source, str(small_cifar), tmp_path / "form"):
        before = sorted(tmp_path.rglob("*"))
        for part in ("train", "test"):
            source.prepare(str(path), part)
            expected, found = source.load(str(small_cifar), part, 0), source.load(str(path), part, 0)
            assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True)), f"{path}, {part}"
        assert sorted(tmp_path.rglob("*")) == before, "reading leaves nothing beside"


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", READABLE)
def test_the_real_set_is_identical_in_every_form(real_root: str, tmp_path: Path, name: str):
    path = made_form(name, CIFAR10, real_root, tmp_path / "form")[0]
    for part in ("train", "test"):
        expected, found = CIFAR10.load(real_root, part, 0), CIFAR10.load(str(path), part, 0)
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


@pytest.mark.parametrize("name", ["binary", "parquet"])
def test_one_changed_pixel_or_label_is_found(small_cifar: Path, tmp_path: Path, name: str):
    source = SOURCES["cifar10"]
    assert isinstance(source, CIFARFiles)
    if name == "binary":
        folder = made_form(name, source, str(small_cifar), tmp_path / "form")[1]
        path = folder / "data_batch_2.bin"
        content = bytearray(path.read_bytes())
        content[0] = (content[0] + 1) % 10
        path.write_bytes(content)
        where = "batch 2 of 5"
    else:
        other = made_form("parquet", source, str(small_cifar), tmp_path / "form")
        shutil.copy(other[-1], other[-1].with_name("test-00000-of-00001.parquet"))
        folder, where = other[0], "300 test rows, expected 100"
    with pytest.raises(ValueError, match=where):
        source.load(str(folder), "train" if name == "binary" else "test", 0)


@pytest.mark.parametrize(("place", "variable"), [
    ("data", None), ("home/data", None), ("home/.keras/datasets", None), ("elsewhere/datasets", "KERAS_HOME"),
    ("home/.keras/datasets/cifar-10-batches-py-target", None),
])  # fmt: skip
def test_usual_places_are_looked_into_where_nothing_is_named(
    small_cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, variable: str | None
):
    monkeypatch.delenv(ROOT_VARIABLE)
    folder = Path(place) if place == "data" else tmp_path / place
    if variable is not None:
        monkeypatch.setenv(variable, str(folder.parent))
    shutil.copytree(small_cifar, folder)
    found = SOURCES["cifar10"].find(None, "train")  # type: ignore[attr-defined]
    assert found is not None
    assert found.path == folder / FOLDER
    assert SOURCES["cifar10"].found_in(None, "train") == f"images from {folder / FOLDER}"  # type: ignore[attr-defined]


def test_hugging_face_s_cache_is_a_usual_place_if_pyarrow_is_there(
    small_cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    source = SOURCES["cifar10"]
    assert isinstance(source, CIFARFiles)
    made_form("parquet", source, str(small_cifar), tmp_path / "home.cache")
    monkeypatch.delenv(ROOT_VARIABLE)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home.cache"))
    assert "plain_text" in str(source.find(None, "train").path)  # type: ignore[union-attr]
    monkeypatch.setattr(hugging_face, "find_spec", lambda _: None)
    monkeypatch.setattr("cifar_mlp.data.cifar.can_read", hugging_face.can_read)
    assert source.find(None, "train") is None
    assert "needs pyarrow" in capsys.readouterr().out
    with pytest.raises(ValueError, match="need pyarrow"):
        source.load(str(tmp_path / "home.cache"), "train", 0)


def test_what_is_wrong_is_one_line_with_what_would_do(small_cifar: Path, tmp_path: Path):
    source = SOURCES["cifar10"]
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "cifar-100-python").mkdir(parents=True)
    (elsewhere / "cifar-100-python/train").write_bytes(b"\x80")
    (program := tmp_path / "bin").mkdir()
    (program / "test").write_bytes(b"\x7fELF")
    (tmp_path / "empty").mkdir()
    recognised = "recognised cifar100.*--data.source cifar100"
    for content, words in ((elsewhere, recognised), (tmp_path / "empty", "nothing"), (program, "nothing")):
        with pytest.raises(FileNotFoundError, match=words) as raised:
            source.prepare(str(content), "train")
        assert "\n" not in str(raised.value)
        assert "cifar-10-batches-py" in str(raised.value)


@pytest.mark.parametrize("damage", ["cut", "web page"])
def test_a_damaged_archive_is_named(small_cifar: Path, tmp_path: Path, damage: str):
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder/cifar-10-python.tar.gz"
    packed(small_cifar / FOLDER, path)
    path.write_bytes(path.read_bytes()[:100_000] if damage == "cut" else b"<!DOCTYPE html>")
    for root, words in ((path, "not recognised"), (path.parent, "no archive")):
        words = "cut short" if damage == "cut" else words
        with pytest.raises((ValueError, FileNotFoundError), match=f"cifar-10-python.tar.gz.*{words}"):
            SOURCES["cifar10"].load(str(root), "train", 0)


def test_a_damaged_file_of_rows_is_named(small_cifar: Path, tmp_path: Path):
    pytest.importorskip("pyarrow")
    source = SOURCES["cifar10"]
    assert isinstance(source, CIFARFiles)
    made_form("parquet", source, str(small_cifar), tmp_path / "rows")
    (path,) = (tmp_path / "rows").rglob("test-*.parquet")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FileNotFoundError, match=r"missing: test-\S+\.parquet \(there, but damaged"):
        source.load(str(path.parent), "test", 0)


def test_pipes_are_never_opened(small_cifar: Path, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.tar.gz")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "pipe.tar.gz")
    batch = small_cifar / FOLDER / "data_batch_1"
    batch.unlink()
    os.mkfifo(batch)
    with pytest.raises(FileNotFoundError, match="missing: data_batch_1"):
        SOURCES["cifar10"].prepare(None, "train")
