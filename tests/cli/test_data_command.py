"""``cifar-mlp data`` on made data in the real file format."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cifar_mlp.cli import main as command_line
from cifar_mlp.cli.data_command import main
from cifar_mlp.data.class_names import CIFAR100_CLASSES
from cifar_mlp.data.download.archives import Archive
from cifar_mlp.data.download.whole_archive import MIRROR_VARIABLE
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE
from cifar_mlp.data.sources import SOURCES
from cifar_mlp.pictures.contact_sheet import contact_sheet
from cifar_mlp.pictures.style import pixels
from tests.data.test_forms import binary, packed
from tests.made_cifar import FOLDER

WHOLE = "every image and label is the published one"
Capture = pytest.CaptureFixture[str]


def error_of(capsys: Capture, *arguments: str) -> str:
    """The one line with which the command fails."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("cifar-mlp: error: ")
    return line


@pytest.fixture
def served(small_cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace_source) -> str:
    """Address of the made set's archive; nothing is named, and the set is nowhere."""
    path = tmp_path / "cifar-10-python.tar.gz"
    packed(small_cifar / FOLDER, path)
    content = path.read_bytes()
    archive = Archive(path.name, FOLDER, len(content), hashlib.sha256(content).hexdigest(), ())
    replace_source("cifar10", archive=archive)
    monkeypatch.delenv(ROOT_VARIABLE)
    return path.as_uri()


def test_a_whole_set_is_described_and_pictured(small_cifar: Path, capsys: Capture):
    main([])
    where = f"Python batches in {small_cifar / FOLDER} (named by CIFAR10_ROOT): {WHOLE}"
    assert capsys.readouterr().out.splitlines() == [
        f"train: 300 images, {where}", f"test: 100 images, {where}", "10 images a class: cifar10.png",
    ]  # fmt: skip
    drawn = Path("cifar10.png").read_bytes()
    with Image.open("cifar10.png") as picture:
        shown = np.asarray(picture)
    images, labels = SOURCES["cifar10"].load(None, "train", 0)
    title = "cifar10: the first 10 training images of each class"
    expected = contact_sheet(images, labels, SOURCES["cifar10"].class_names, title)
    assert np.array_equal(shown, pixels(expected))
    main([])  # the same picture again
    Path("mine.png").write_bytes(b"mine")
    assert "mine.png is there and holds something else" in error_of(capsys, "--sheet", "mine.png")
    assert (Path("mine.png").read_bytes(), Path("cifar10.png").read_bytes()) == (b"mine", drawn)
    assert {path.name for path in Path().iterdir()} == {"mine.png", "cifar10.png"}


def test_a_sheet_has_the_first_images_of_each_class_and_every_name(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    images, labels = SOURCES["cifar10"].load(None, "train", 0)
    given: list[Tensor] = []
    with monkeypatch.context() as patch:
        patch.setattr("cifar_mlp.pictures.contact_sheet.gallery", lambda tiles, *_, **__: given.append(tiles))
        contact_sheet(images[:25], labels[:25], SOURCES["cifar10"].class_names, "few")
    for label, tiles in enumerate(given[0].split(10)):
        first = images[:25][labels[:25] == label]
        assert torch.equal(tiles[: len(first)], first)
        assert (tiles[len(first) :] == 255).all()
    many = contact_sheet(images, labels * 10 + 3, CIFAR100_CLASSES, "many")
    written = {text.get_text() for text in many.findobj() if hasattr(text, "get_text")}
    assert set(CIFAR100_CLASSES) <= written


def test_every_part_is_checked_by_its_images(small_cifar: Path, tmp_path: Path, capsys: Capture):
    binary(small_cifar / FOLDER, folder := tmp_path / "cifar-10-batches-bin")
    path = folder / "test_batch.bin"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(SystemExit):
        main(["--data.root", str(folder), "--sheet", "none"])
    said = capsys.readouterr()
    assert f"train: 300 images, binary batches in {folder} (named by --data.root): {WHOLE}\n" == said.out
    assert "batch 1 of 1 differs" in said.err
    path.unlink()
    assert "missing: test_batch.bin" in error_of(capsys, f"--root={folder}", "--sheet=none")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("how", ["option", "environment"])
def test_what_is_nowhere_is_downloaded_if_asked(
    served: str, how: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
):
    line = error_of(capsys)
    assert "cifar10 is in no usual place" in line
    assert "the same command with --download fetches it" in line
    assert not list(Path().iterdir())
    if how == "option":
        main(["--download", "--data.mirror", served])
    else:
        monkeypatch.setenv(MIRROR_VARIABLE, served.rpartition("/")[0] + "/")
        main(["--download", "--root", "elsewhere"])
    folder, why = ("data", "found in a usual place") if how == "option" else ("elsewhere", "named by --data.root")
    assert f"train: 300 images, Python batches in {folder}/{FOLDER} ({why}): {WHOLE}" in capsys.readouterr().out
    monkeypatch.setattr("cifar_mlp.data.cifar.download", lambda *_: pytest.fail("it is there"))
    main(["--download", *(["--root", "elsewhere"] if how != "option" else [])])


def test_what_is_damaged_or_partial_is_replaced_if_asked(served: str, small_cifar: Path, capsys: Capture):
    shutil.copytree(small_cifar, "data")
    batch = Path("data", FOLDER, "data_batch_2")
    whole = batch.read_bytes()
    batch.write_bytes(whole[:-1])
    assert "data_batch_2 is damaged" in error_of(capsys)
    main(["--download", "--mirror", served])
    assert batch.read_bytes() == whole
    batch.unlink()
    line = error_of(capsys)
    assert f"Python batches in data/{FOLDER}, without data_batch_2" in line
    main(["--download", "--mirror", served, "--root", f"data/{FOLDER}"])
    assert batch.read_bytes() == whole


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--source", "mnist"], "invalid choice: 'mnist'"),
        (["cifar100"], "a path follows --root, a set --source"),
        (["--mirror", "http://host/x"], "--mirror is where --download goes first"),
        (["--download", "--mirror", "htp://host/x"], "--data.mirror must be the http, https or file address"),
        (["--download", "--mirror", "file:///nowhere.tar.gz"], "file:///nowhere.tar.gz cannot be read"),
        (["--sheet", "a.jpg"], "ending in .png"),
        (["--sheet", "."], "ending in .png"),
        (["--sheet", "pipe.png"], "is no file"),
        (["--source", "digits", "--root", "x"], "--data.root cannot be given"),
        (["--root", "/dev/null", "--download"], "/dev/null is no folder"),
        (["--download", "--mirror", "http://[::1"], "--data.mirror must be the http, https or file address"),
        (["--root", "nowhere"], "nowhere does not exist"),
        (["--root", "~nobody-here/x"], "~nobody-here/x does not exist"),
    ],
)
def test_a_mistake_is_one_line(served: str, typed: list[str], said: str, capsys: Capture):
    os.mkfifo("pipe.png")
    assert said in error_of(capsys, *typed)
    assert [path.name for path in Path().iterdir()] == ["pipe.png"]


def test_digits_need_no_files_and_help_is_short(capsys: Capture):
    main(["--source", "digits", "--download"])
    assert "test: 270 images" in capsys.readouterr().out
    assert Path("digits.png").is_file()
    with pytest.raises(SystemExit):
        main(["--help"])
    assert len(capsys.readouterr().out.splitlines()) < 20
    with pytest.raises(SystemExit):
        command_line(["--help"])
    assert "Say what images there are" in capsys.readouterr().out
