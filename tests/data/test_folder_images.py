import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.own_images import folder_reading
from cifar_mlp.data.own_images.decoding import decoded
from cifar_mlp.data.own_images.folder_images import FolderImages
from cifar_mlp.data.splits import stratified_order

COLOURS = {"black": 10, "grey": 100, "white": 240}


def picture(level: int, mode: str = "L") -> Image.Image:
    return Image.new("L", (9, 7), level).convert(mode)


def fill(root: str, count: int = 20, **modes: str) -> Path:
    """``count`` images of each class, whose pixels tell which one it is: the class's level plus its number."""
    for name, level in COLOURS.items():
        folder = Path(root, name)
        folder.mkdir(parents=True)
        for number in range(count):
            picture(level + number % 10, modes.get(name, "L")).save(folder / f"{number}.png")
    return Path(root)


def source(root: str = "photos", **options: object) -> FolderImages:
    return FolderImages(root, 4, cache_dir="cache", **options)


def data(root: str = "photos", **options: object) -> CIFAR10DataModule:
    settings = {"source": "folder", "root": root, "image_size": 4, "batch_size": 5, "cache_dir": "cache"}
    return CIFAR10DataModule(**{**settings, **options})


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_reading, "decoded_chunk", lambda *_: pytest.fail("must read the cache"))


def test_pixels_and_labels_are_those_of_the_files():
    fill("photos")
    found = source()
    assert found.class_names == ("black", "grey", "white")
    assert found.image_shape == (1, 4, 4)
    assert (found.num_train, found.num_test, found.default_val_size) == (51, 9, 9)
    for part in ("train", "test"):
        images, labels = found.load(None, part, 0)
        levels = torch.tensor([COLOURS[path.parent.name] + int(path.stem) % 10 for path in found.files_of(part, 0)])
        assert torch.equal(images.flatten(1), levels.byte()[:, None].expand(-1, 16))
        assert torch.equal(labels, torch.tensor([0 if level < 50 else 1 if level < 200 else 2 for level in levels]))


def test_every_split_is_stratified_disjoint_and_decided_by_the_seed():
    fill("photos")
    whole = data()
    whole.setup()
    splits = {name: split.labels for name, split in whole._splits.items()}
    assert {name: len(labels) for name, labels in splits.items()} == {"train": 42, "val": 9, "test": 9}
    assert all(torch.bincount(labels).tolist() == [len(labels) // 3] * 3 for labels in splits.values())
    files = {seed: [source().files_of(part, seed) for part in ("train", "test")] for seed in (0, 1)}
    assert len({*files[0][0], *files[0][1]}) == 60
    assert set(files[0][1]) != set(files[1][1])


def test_folders_of_the_parts_are_the_parts():
    for part, count in (("train", 20), ("val", 4), ("test", 3)):
        fill(f"photos/{part}", count)
    whole = data()
    whole.setup()
    assert {name: len(split) for name, split in whole._splits.items()} == {"train": 60, "val": 12, "test": 9}
    assert {path.parts[1] for path in whole.source.files_of("test", 0)} == {"test"}
    assert {path.parts[1] for path in whole.source.files_of("train", 0)[-12:]} == {"val"}
    assert data(val_size=20).num_val == 20


def test_given_validation_and_test_images_are_the_same_for_every_seed():
    """Else two seeds could not be compared image by image."""
    for part, count in (("train", 20), ("val", 4), ("test", 3)):
        fill(f"photos/{part}", count)
    files = [[source().files_of("train", seed), source().files_of("test", seed)] for seed in (0, 1)]
    assert files[0][0][-12:] == files[1][0][-12:]
    assert files[0][1] == files[1][1]
    assert files[0][0] != files[1][0]  # what is drawn is


@pytest.mark.parametrize("counts", [[2, 2], [2, 3, 50], [2] * 7, [3, 2, 4, 9]])
def test_small_classes_keep_an_image_to_train_on(counts: list[int]):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    for seed in range(20):
        order = stratified_order(labels, seed)
        assert order.sort().values.tolist() == list(range(len(labels)))
        assert labels[order[: len(counts)]].unique().tolist() == list(range(len(counts)))
        held_out = torch.bincount(labels[order[-(len(labels) // 3) :]], minlength=len(counts))
        assert all(abs(int(found) - count / 3) <= 1 for found, count in zip(held_out, counts, strict=True))


def test_grey_only_where_all_are_grey_or_it_is_asked_for():
    fill("photos")
    Image.new("RGB", (9, 7), (250, 10, 20)).save("photos/white/red.png")
    found = source()
    assert found.image_shape == (3, 4, 4)
    assert found.load(None, "train", 0)[0].shape == (52, 3, 4, 4)
    assert source(grey=True).load(None, "train", 0)[0].shape == (52, 1, 4, 4)
    assert source().image_shape == (3, 4, 4), "grey was asked for by the start before, which left its images behind"
    Path("photos/white/red.png").unlink()
    assert source().image_shape == (1, 4, 4)
    assert source(grey=False).load(None, "train", 0)[0].shape == (51, 3, 4, 4)


def test_any_mode_and_format_is_read_as_predict_reads_it():
    fill("photos", 4, black="RGBA", white="P")
    picture(77).save("photos/grey/a.JPEG")
    picture(77).save("photos/grey/b.tiff")
    Image.fromarray(np.full((40, 30), 0x8080, np.uint16)).save("photos/grey/c.png")
    picture(77).save("photos/grey/d.gif", save_all=True, append_images=[picture(200)])
    found = source(grey=False)
    images, files = found.load(None, "train", 0)[0], found.files_of("train", 0)
    assert all(np.array_equal(image, decoded(path, (3, 4, 4))) for image, path in zip(images, files, strict=True))


def test_unreadable_files_are_listed_and_left_out(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest):
    fill("photos")
    Path("photos/black/cut.png").write_bytes(Path("photos/black/1.png").read_bytes()[:40])
    Path("photos/grey/gone.png").symlink_to("nowhere.png")
    Path("photos/white/zero.png").touch()
    os.mkfifo("photos/white/pipe.png")
    assert len(source().read.labels) == 60
    said = capsys.readouterr().out
    assert "photos: 4 of 64 files cannot be read and are left out:\n  black/cut.png (" in said
    assert "\n  white/pipe.png (ValueError: not a regular file)\n  white/zero.png (ValueError: an empty file)\n" in said
    request.getfixturevalue("no_decoding")
    again = source()
    assert len(again.read.labels) == 60
    assert capsys.readouterr().out == said
    assert "cut.png" not in {path.name for path in again.files_of("train", 0)}


def test_a_class_of_too_few_readable_images_is_refused():
    fill("photos")
    for number in range(19):
        Path(f"photos/grey/{number}.png").write_text("no image")
    with pytest.raises(ValueError, match=r"^--data.root photos: a class needs 2 readable images .* fewer: grey \(1\)"):
        data()
    fill("parts/train")
    Path("parts/test/grey").mkdir(parents=True)
    Path("parts/test/grey/1.png").write_text("no image")
    with pytest.raises(ValueError, match=r"no image of test/ can be read"):
        data("parts")


def test_the_second_start_decodes_nothing_and_a_changed_file_all(request: pytest.FixtureRequest):
    fill("photos")
    first = source().load(None, "train", 0)[0]
    assert len(list(Path("cache").iterdir())) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_reading, "decoded_chunk", lambda *_: pytest.fail("must read the cache"))
        assert torch.equal(source().load(None, "train", 0)[0], first)
        assert source(grey=True).image_shape == (1, 4, 4)
        for change in ({"grey": False}, {"image_size": 5}):
            with pytest.raises(pytest.fail.Exception):
                _ = FolderImages(**{"root": "photos", "image_size": 4, "cache_dir": "cache", **change}).read
        os.utime("photos/grey/3.png", (1, 1))
        with pytest.raises(pytest.fail.Exception):
            _ = source().read
    (kept,) = Path("cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:-500])
    assert torch.equal(source().load(None, "train", 0)[0], first)
    assert len(list(Path("cache").iterdir())) == 1


def test_an_interrupt_while_decoding_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    fill("photos", 30)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_reading, "decoded_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _ = source().read
    assert list(Path("cache").iterdir()) == []


def test_options_of_a_folder_are_for_a_folder():
    fill("photos", 3)
    for options in ({"image_size": 8}, {"grey": True}, {"class_names": ["a"]}):
        with pytest.raises(ValueError, match=rf"--data.{next(iter(options))} needs --data.source folder"):
            CIFAR10DataModule(**options)
    for options, said in (
        ({"root": None}, "needs --data.root"),
        ({"class_names": ["black", "white", "grey", "black"]}, "--data.class_names has 'black' twice"),
        ({"class_names": []}, "--data.class_names must name at least two classes"),
        ({"image_size": 0}, "--data.image_size must be at least 1"),
        ({"image_size": 200_000}, r"--data.image_size 200000: 9 images of that size need 5,\d+ GB"),
        ({"batch_size": 9}, "--data.batch_size must be between 1 and the 7 training images"),
    ):
        with pytest.raises(ValueError, match=said):
            data(**options)
    with pytest.raises(ValueError, match=r"--data.mirror cannot be given"):
        data(mirror="http://127.0.0.1:9/", root="nowhere")  # refused before any image is read


def test_the_images_are_told_by_number_and_hash_whatever_the_seed():
    fill("photos")
    facts = source().facts
    assert (facts["images"], facts["classes"], len(facts["sha256"])) == (60, 3, 64)
    Path("photos/black/9.png").rename("photos/grey/!.png")  # the same pixels in the same order, one of another class
    assert source().facts["sha256"] != facts["sha256"]
    Path("photos/grey/!.png").rename("photos/black/9.png")
    assert source().facts["sha256"] == facts["sha256"]
    picture(9).save("photos/black/0.png")
    assert source().facts["sha256"] != facts["sha256"]


@pytest.mark.slow
def test_many_files_are_decoded_by_other_processes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    fill("photos", 100)
    alone = source().load(None, "train", 0)[0]
    monkeypatch.setattr(folder_reading, "FEW", 10)
    monkeypatch.setattr(folder_reading, "cores", lambda: 2)
    monkeypatch.setattr(folder_reading, "SECONDS_BETWEEN_LINES", 0)
    many = FolderImages("photos", 4, cache_dir="another").load(None, "train", 0)[0]
    assert torch.equal(many, alone)
    assert "reading photos: 300 of 300 files" in capsys.readouterr().out
