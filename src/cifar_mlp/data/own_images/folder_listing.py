"""Which images a folder holds, and of which class and part, recognised by how it is laid out."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from cifar_mlp.data.own_images.decoding import image_suffixes
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
        unknown = sorted({name for classes in parts.values() for name in classes} - set(names))
        if unknown:
            raise ValueError(f"{listed(unknown)}: not among the classes that are trained, {listed(names)}")
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
    folders = _folders_in(root)
    named = {folder: _PARTS[folder.name.lower()] for folder in folders if folder.name.lower() in _PARTS}
    if (table := label_table(root)) is not None:
        train = [folder for folder, part in named.items() if part == "train"]
        return {"train": files_by_label(table, [path for folder in train for path in _images_below(folder)])}, ""
    above = {folder: part for folder, part in named.items() if _holds_classes(folder)}
    if "train" in above.values():
        beside = listed(f"{folder.name}/" for folder in folders if folder not in above)
        return {part: _classes_in(folder) for folder, part in above.items()}, beside
    if folders and len(named) == len(folders):
        kind = "with class folders; missing: train/" if above else "without class folders"
        raise ValueError(f"recognised {listed(f'{folder.name}/' for folder in named)} {kind}; {WOULD_DO}")
    count = sum(map(_is_image, os.listdir(root)))
    strays = f"{count:,} image{'s' if count != 1 else ''} in no class folder" if count else ""
    classes = _classes_in(root)
    if not any(classes.values()):
        raise ValueError(f"recognised {strays or 'no images'}; {WOULD_DO}")
    if len(folders) == 1 and _holds_classes(folders[0]):
        raise ValueError(f"recognised one class, {folders[0].name}, with folders in it: give --data.root {folders[0]}")
    return {"train": classes}, strays


def _classes_in(folder: Path) -> Classes:
    return {child.name: list(_images_below(child)) for child in _folders_in(folder)}


def _holds_classes(folder: Path) -> bool:
    """Whether images are in folders of this folder, and none in itself."""
    if any(map(_is_image, os.listdir(folder))):
        return False
    return next(_images_below(folder), None) is not None


def _folders_in(folder: Path) -> list[Path]:
    """Folders and links to folders, sorted; without hidden ones and what archives leave behind."""
    return [child for child in sorted(folder.iterdir()) if not _is_hidden(child.name) and child.is_dir()]


def _images_below(folder: Path) -> Iterator[Path]:
    """Image files at any depth, sorted; links are followed, and no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise ValueError(f"{error.filename} cannot be read ({error.strerror})") from error

    seen = {_identity(above) for above in folder.resolve().parents}  # a link upwards would bring other classes' images
    for here, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        if _identity(here) in seen:
            folders.clear()
            continue
        seen.add(_identity(here))
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from (Path(here, name) for name in sorted(names) if _is_image(name))


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _is_image(name: str) -> bool:
    """Whether a file's name is that of an image; ``._1.png`` is what macOS adds beside it."""
    return not _is_hidden(name) and os.path.splitext(name)[1].lower() in image_suffixes()
