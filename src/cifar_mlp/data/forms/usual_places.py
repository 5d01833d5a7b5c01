"""Where CIFAR is looked for: where the user says, else where this and other tools keep it."""

import os
from pathlib import Path
from typing import NamedTuple

ROOT_VARIABLE = "CIFAR10_ROOT"
DEFAULT_ROOT = "data"


class Location(NamedTuple):
    """The data root, and which setting gave it (``None``: the default)."""

    path: Path
    given_by: str | None


def locate(root: str | None) -> Location:
    """The data root: the option, else the environment variable, else ``data/`` in the working directory."""
    if root is not None:
        return Location(_expanded(root), "--data.root")
    if from_environment := os.environ.get(ROOT_VARIABLE):
        return Location(_expanded(from_environment), ROOT_VARIABLE)
    return Location(Path(DEFAULT_ROOT), None)


def _expanded(path: str | Path) -> Path:
    """With the home directory in place of ``~``; as it stands where there is none."""
    return Path(os.path.expanduser(path))


def usual_places() -> list[Path]:
    """Folders that exist among ``data/``, ``~/data``, Hugging Face's caches and Keras's data sets."""
    home = _expanded("~")

    def named(variable: str, default: Path) -> Path:
        return _expanded(os.environ.get(variable) or default)

    hugging_face = named("HF_HOME", named("XDG_CACHE_HOME", home / ".cache") / "huggingface")
    places = [
        Path(DEFAULT_ROOT),
        home / "data",
        named("HF_HUB_CACHE", hugging_face / "hub"),
        named("HF_DATASETS_CACHE", hugging_face / "datasets"),
        named("KERAS_HOME", home / ".keras") / "datasets",
    ]
    return [place for place in places if place.is_dir() and os.access(place, os.R_OK | os.X_OK)]
