"""Which files and folders are images and folders of images, to a data set and to a prediction alike."""

import os
from collections.abc import Iterator
from pathlib import Path

from cifar_mlp.data.own_images.decoding import image_suffixes


def folders_in(folder: Path) -> list[Path]:
    """Folders and links to folders, sorted; without hidden ones and what archives leave behind."""
    return [child for child in sorted(folder.iterdir()) if not is_hidden(child.name) and child.is_dir()]


def images_below(folder: Path) -> Iterator[Path]:
    """Image files at any depth, sorted; links are followed, and no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise ValueError(f"{error.filename} cannot be read ({error.strerror})") from error

    seen = {_identity(above) for above in folder.resolve().parents}  # a link upwards would bring other classes' images
    for here, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        if _identity(here) in seen:
            folders.clear()
            continue
        seen.add(_identity(here))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (Path(here, name) for name in sorted(names) if is_image(name))


def _identity(folder: str | Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def is_image(name: str) -> bool:
    """Whether a file's name is that of an image; ``._1.png`` is what macOS adds beside it."""
    return not is_hidden(name) and os.path.splitext(name)[1].lower() in image_suffixes()
