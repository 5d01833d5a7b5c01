"""Images whose classes stand in a table, as Kaggle publishes CIFAR-10: ``train/1.png`` and ``trainLabels.csv``."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from cifar_mlp.data.regular_files import open_regular

LABELS_FILE = "trainLabels.csv"
_SHOWN = 5  # names in a message


def label_table(root: Path) -> Path | None:
    """The table in a folder, whatever the case of its name; ``None`` without any."""
    return next((path for path in sorted(root.iterdir()) if path.name.lower() == LABELS_FILE.lower()), None)


def files_by_label(table: Path, images: Sequence[Path]) -> dict[str, list[Path]]:
    """The images of each class, in the table's order.

    Args:
        table: CSV file with the columns id and label; an id is a file's name, with or without its suffix.
        images: All image files.

    Raises:
        ValueError: If the table is another one, or images and lines do not belong to each other.
    """
    label_of = _labels(table)
    files: dict[str, Path] = {}
    for path in images:
        name = path.name if path.name in label_of else path.stem
        if name in files:
            raise ValueError(f"{files[name].name} and {path.name} have the same id in {table.name}: remove one")
        files[name] = path
    if not files:
        raise ValueError(f"recognised {table.name}; missing: train/ with its images (unpack Kaggle's train.7z there)")
    for missing, what, remedy in (
        (
            files.keys() - label_of.keys(),
            f"images in train/ have no line in {table.name}",
            "add lines, or remove the images",
        ),
        (
            label_of.keys() - files.keys(),
            f"lines of {table.name} have no image in train/",
            "add images, or remove the lines",
        ),
    ):
        if missing:
            raise ValueError(
                f"{len(missing):,} {what}: {listed(sorted(missing, key=lambda name: (len(name), name)))}; {remedy}"
            )
    found: dict[str, list[Path]] = {}
    for name, label in label_of.items():
        found.setdefault(label, []).append(files[name])
    return found


def _labels(table: Path) -> dict[str, str]:
    """Label of each id."""
    found: dict[str, str] = {}
    try:
        with io.TextIOWrapper(open_regular(table), encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text)
            heading = [name.strip().lower() for name in next(lines, [])]
            if not {"id", "label"} <= set(heading):
                raise ValueError(f"its first line is {','.join(heading)!r}")
            columns = heading.index("id"), heading.index("label")
            for number, line in enumerate(lines, 2):
                if not line:
                    continue
                name, label = (line[column].strip() if column < len(line) else "" for column in columns)
                if not name or not label or found.setdefault(name, label) != label:
                    raise ValueError(
                        f"line {number} has no id, no label, or another label than before: {','.join(line)!r}"
                    )
    except (ValueError, OSError, csv.Error) as error:  # a text of another encoding is a ValueError too
        raise ValueError(f"{table.name} is no table with the columns id and label ({error})") from error
    return found


def listed(names: Iterable[str], most: int = _SHOWN, between: str = ", ") -> str:
    """The first few names, and how many more there are; what cannot be printed is escaped."""
    every = [name if name.isprintable() else ascii(name)[1:-1] for name in names]
    return between.join(every[:most]) + (f" and {len(every) - most:,} more" if len(every) > most else "")
