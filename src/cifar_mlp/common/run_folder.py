"""A run's folder read back: its curves and its settings."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

Curve = tuple[list[int], list[float]]


class Run(NamedTuple):
    """What a run left.

    Attributes:
        name: Its config and version.
        curves: Steps and values by tag, without the source's prefix.
        settings: Every option's value by its dotted name.
    """

    name: str
    curves: dict[str, Curve]
    settings: dict[str, Any]

    def class_accuracy(self) -> dict[str, float]:
        """Accuracy of each class at the last validation."""
        start = "val_class_accuracy/"
        return {tag.removeprefix(start): curve[1][-1] for tag, curve in self.curves.items() if tag.startswith(start)}


def read_run(folder: Path) -> Run:
    """Read a run's event files and config.

    Raises:
        FileNotFoundError: If the folder holds no event file.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not list(folder.glob("events.out.tfevents.*")):
        raise FileNotFoundError(f"{folder}: no run's folder, it holds no TensorBoard events")
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 1, "tensors": 1}).Reload()
    tags = events.Tags()["scalars"]
    prefix = next((tag.removesuffix("train/loss") for tag in tags if tag.endswith("train/loss")), "")
    curves = {}
    for tag in tags:
        points = events.Scalars(tag)
        curves[tag.removeprefix(prefix)] = ([point.step for point in points], [point.value for point in points])
    config = folder / "config.yaml"
    settings = flat(yaml.safe_load(config.read_text())) if config.is_file() else {}
    folder = folder.resolve()
    return Run(f"{folder.parent.name}/{folder.name}", curves, settings)


def flat(settings: dict[str, Any], start: str = "") -> dict[str, Any]:
    """Nested settings by dotted names; lists stay whole."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{start}{name}.") if isinstance(value, dict) else {f"{start}{name}": value}
    return found


def differing(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name and both values of each setting that is not the same; an empty value where one run lacks it."""
    names = sorted(first.keys() | second.keys())
    return [
        (name, str(first.get(name, "")), str(second.get(name, "")))
        for name in names
        if first.get(name) != second.get(name)
    ]
