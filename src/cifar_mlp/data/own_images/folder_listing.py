"""Which images a folder holds, and of which class and part, recognised by how it is laid out."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from cifar_mlp.data.own_images.image_paths import folders_in, images_below, is_image
from cifar_mlp.data.own_images.label_table import LABELS_FILE, files_by_label, label_table, listed

FolderPart = Literal["train", "val", "test"]
Classes = dict[str, list[Path]]  # the image files of each class

# What the folders above the classes are called, in any case
_PARTS: dict[str, FolderPart] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_FEWEST = 2  # images of a class: one to learn from, one to be held out
WOULD_DO = (
    "what would do: one sub-folder a class with its images, at least two classes; or train/, val/ and test/ above "
    f"these; or images in train/ and {LABELS_FILE} with the columns id and label"
)


class Listing(NamedTuple):
    """The image files of a folder, before any is opened.

    Attributes:
        files: Their paths.
        labels: Class of each file, an index into ``class_names``.
        parts: Part of each file; ``train`` where the folder has no part of that name.
        class_names: By label.
        left_out: What is there and is not taken, in words; empty for nothing.
    """

    files: list[Path]
    labels: list[int]
    parts: list[FolderPart]
    class_names: tuple[str, ...]
    left_out: str


def listing_of(root: Path, class_names: Sequence[str] | None = None) -> Listing:
    """List a folder of images.

    Args:
        root: One sub-folder a class; or folders named train, val and test above these; or ``trainLabels.csv`` and
            the images that it names in ``train/``.
        class_names: The classes by label; ``None`` takes those that are found, sorted.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is laid out in another way, or a class has fewer than two images; says what was recognised,
            what is missing and what would do.
    """
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"--data.root {root} {kind}; {WOULD_DO}")
    try:
        parts, left_out = _recognised(root)
        names = tuple(sorted(parts["train"]) if class_names is None else class_names)
        for part, classes in parts.items():
            if unknown := sorted(classes.keys() - set(names)):
                folder = "" if len(parts) == 1 else f" of {part}/"
                raise ValueError(
                    f"{listed(unknown)}{folder}: not among the classes that are trained, {listed(names)}; move these "
                    "folders elsewhere, or have their classes trained too"
                )
        require_classes({name: len(parts["train"].get(name, [])) for name in names}, "images")
    except ValueError as error:
        raise ValueError(f"--data.root {root}: {error}") from error
    rows = [
        (path, label, part)
        for part, classes in parts.items()
        for label, name in enumerate(names)
        for path in classes.get(name, [])
    ]
    files, labels, part_of = (list(column) for column in zip(*rows, strict=True))
    return Listing(files, labels, part_of, names, left_out)


def require_classes(counts: dict[str, int], what: str) -> None:
    """Refuse classes that are too few or too small, or whose name cannot be written everywhere.

    Args:
        counts: Images to learn from, by class.
        what: What is counted, for the message.
    """
    odd = [name for name in counts if not name.isprintable() or not name.strip()]
    if odd:
        raise ValueError(f"the class name {odd[0]!a} cannot be printed: rename it")
    if len(counts) < 2:
        raise ValueError(f"recognised one class, {listed(counts)}; {WOULD_DO}")
    small = [f"{name} ({count})" for name, count in counts.items() if count < _FEWEST]
    if small:
        raise ValueError(
            f"a class needs {_FEWEST} {what} to learn from, these have fewer: {listed(small)}; add images, or move "
            "these classes elsewhere"
        )


def _recognised(root: Path) -> tuple[dict[FolderPart, Classes], str]:
    """The images by part and class, and what is left out."""
    folders = folders_in(root)
    named = {folder: _PARTS[folder.name.lower()] for folder in folders if folder.name.lower() in _PARTS}
    if (table := label_table(root)) is not None:
        train = [folder for folder, part in named.items() if part == "train"]
        return {"train": files_by_label(table, [path for folder in train for path in images_below(folder)])}, ""
    only_parts = len(named) == len(folders)  # then none of them is a class, whatever is in it
    above = {
        folder: part for folder, part in named.items() if _holds_classes(folder) and (only_parts or not _strays(folder))
    }
    if "train" in above.values():
        beside = [f"{folder.name}/" for folder in folders if folder not in above]
        inside = [f"{words} of {folder.name}/" for folder in above if (words := _strays(folder))]
        return {part: _classes_in(folder) for folder, part in above.items()}, listed(
            [*beside, *inside, *filter(None, [_strays(root)])]
        )
    if folders and only_parts:
        kind = "with class folders; missing: train/" if above else "without class folders"
        raise ValueError(f"recognised {listed(f'{folder.name}/' for folder in named)} {kind}; {WOULD_DO}")
    strays, classes = _strays(root), _classes_in(root)
    if not any(classes.values()):
        raise ValueError(f"recognised {strays or 'no images'}; {WOULD_DO}")
    if len(folders) == 1 and _holds_classes(folders[0]):
        raise ValueError(f"recognised one class, {folders[0].name}, with folders in it: give --data.root {folders[0]}")
    return {"train": classes}, strays


def _classes_in(folder: Path) -> Classes:
    return {child.name: list(images_below(child)) for child in folders_in(folder)}


def _holds_classes(folder: Path) -> bool:
    """Whether images are in folders of this folder."""
    return any(next(images_below(child), None) is not None for child in folders_in(folder))


def _strays(folder: Path) -> str:
    """Images that are in this folder itself, in words; empty for none."""
    count = sum(map(is_image, os.listdir(folder)))
    return f"{count:,} image{'s' if count != 1 else ''} in no class folder" if count else ""
