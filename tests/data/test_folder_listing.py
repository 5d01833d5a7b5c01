import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from cifar_mlp.data.own_images.folder_listing import listing_of

HEAD = "id,label\n"
LABELS = HEAD + "".join(f"{number},{'cat' if number % 2 else 'dog'}\n" for number in range(1, 7))


def put(*names: str) -> None:
    """Small images, and files that are none, below ``photos``."""
    for name in names:
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path) if path.suffix == ".png" else path.write_text("no image")


def classes(parts: str, names: str, count: int = 2) -> list[str]:
    return [
        f"{part}/{name}/{number}.png" for part in parts.split() for name in names.split() for number in range(count)
    ]


def kaggle(labels: str, numbers: range = range(1, 7)) -> None:
    Path("photos/train").mkdir(parents=True)
    put(*[f"train/{number}.png" for number in numbers])
    Path("photos/trainLabels.csv").write_text(labels)


def counted(**options: object) -> dict[tuple[str, str], int]:
    """Images by part and class."""
    found = listing_of(Path("photos"), **options)
    return Counter((part, found.class_names[label]) for part, label in zip(found.parts, found.labels, strict=True))


def refused(**options: object) -> str:
    with pytest.raises((ValueError, FileNotFoundError), match=r"^--data.root photos") as error:
        listing_of(Path("photos"), **options)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


def test_a_sub_folder_is_a_class_whatever_else_lies_there():
    put("cat/1.png", "cat/2.JPG", "cat/._1.png", "cat/.DS_Store", "cat/notes.txt", "white dog/1.png")
    put("white dog/deep/er/2.png", "stray.png", "README.md", ".git/x/1.png", "__MACOSX/cat/1.png")
    Path("photos/élan").symlink_to(Path("photos/cat").resolve())
    Path("photos/cat/loop").symlink_to(Path("photos").resolve())
    assert counted() == {("train", "cat"): 2, ("train", "white dog"): 2, ("train", "élan"): 2}
    assert listing_of(Path("photos")).left_out == "1 image in no class folder"


@pytest.mark.parametrize("names", ["train val test", "Training VALID testing"])
def test_train_val_and_test_above_the_classes(names: str):
    put(*classes(names, "a b", 3), "sketches/1.png")
    assert counted() == {(part, name): 3 for part in ("train", "val", "test") for name in "ab"}
    assert listing_of(Path("photos")).left_out == "sketches/"


def test_classes_that_are_called_like_parts_are_classes():
    put(*classes(".", "test train bus"))
    assert counted() == {("train", name): 2 for name in ("bus", "test", "train")}


def test_a_test_without_class_folders_is_left_out():
    put(*classes("train", "a b"), "test/1.png")
    assert counted() == {("train", "a"): 2, ("train", "b"): 2}
    put("train/stray.png", "1.png", "2.png")
    strays = "1 image in no class folder of train/, 2 images in no class folder"
    assert listing_of(Path("photos")).left_out == f"test/, {strays}"


@pytest.mark.parametrize("labels", [LABELS, "﻿" + LABELS.replace("\n", "\r\n"), LABELS.replace("\n3,", "\n3.png,")])
def test_kaggle_s_table_of_labels(labels: str):
    kaggle(labels)
    assert counted() == {("train", "cat"): 3, ("train", "dog"): 3}
    found = listing_of(Path("photos"))
    assert {path.stem for path, label in zip(found.files, found.labels, strict=True) if label == 0} == {"1", "3", "5"}


def test_class_names_decide_the_labels():
    put(*classes(".", "a b"))
    assert listing_of(Path("photos"), ["b", "a"]).labels == [0, 0, 1, 1]
    assert "b: not among the classes" in refused(class_names=["a", "c"])
    assert "c (0)" in refused(class_names=["a", "b", "c"])


LAYOUTS = {
    "does not exist; what would do: one sub-folder a class": None,
    "recognised no images; what would do": ["notes.txt"],
    "recognised 2 images in no class folder; what would do": ["1.png", "2.png"],
    "recognised one class, a; what would do": classes(".", "a"),
    "recognised one class, deep, with folders in it: give --data.root photos/deep": classes("deep", "a b"),
    "recognised test/, val/ with class folders; missing: train/": classes("val test", "a b"),
    "recognised test/, train/ without class folders": ["train/1.png", "test/2.png"],
    "these have fewer: a (1), empty (0)": ["a/1.png", *classes(".", "b"), "empty/notes.txt"],
    "c of test/: not among the classes that are trained, a, b; move": [*classes("train", "a b"), "test/c/1.png"],
    r"the class name 'a\x07b' cannot be printed": classes(".", "a\ab c"),
}


@pytest.mark.parametrize("said", LAYOUTS)
def test_another_layout_gets_one_line(said: str):
    if LAYOUTS[said] is not None:
        put(*LAYOUTS[said])
    assert said in refused()


TABLES = {
    "its first line is 'image,class'": (LABELS.replace("id,label", "image,class"), range(1, 7)),
    "its first line is ''": ("", range(1, 7)),
    "2 lines of trainLabels.csv have no image in train/: 5, 6; add images": (LABELS, range(1, 5)),
    "5 images in train/ have no line in trainLabels.csv: 7, 8, 9, 10, 11; add lines": (LABELS, range(1, 12)),
    "missing: train/ with its images": (LABELS, range(0)),
    "line 8 has no id, no label, or another label than before: '3,frog'": (LABELS + "3,frog\n", range(1, 7)),
    "line 8 has no id, no label": (LABELS + "7,\n", range(1, 8)),
    "these have fewer: frog (1)": (LABELS + "7,frog\n", range(1, 8)),
}


@pytest.mark.parametrize("said", TABLES)
def test_another_table_gets_one_line(said: str):
    kaggle(*TABLES[said])
    assert said in refused()


def test_a_pipe_for_a_table_and_a_file_for_a_folder():
    put("train/1.png")
    os.mkfifo("photos/trainLabels.csv")
    assert "not a regular file" in refused()
    Path("photos").rename("elsewhere")
    Path("photos").write_text("")
    assert "is a file, not a folder" in refused()
