"""``--ckpt_path``: the file that it means, known before anything else is parsed."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

import cifar_mlp
from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.configs import find_config

LOGS = "lightning_logs"
NAMES = ("last", "best")
WITH_THE_PACKAGE = Path(cifar_mlp.__file__).with_name("checkpoints")


def given(arguments: Sequence[str], option: str) -> str | None:
    """The value of an option as typed or in a config: the last one wins, as in the parser; ``None`` without any.

    The settings of a checkpoint are the defaults of all other options, so its path must be known before these are
    parsed.

    Args:
        arguments: As typed.
        option: Its dotted name.
    """
    found = None
    for name, value in _pairs(arguments):
        if name == "config":
            found = _of_config(value, option) or found
        elif name == option:
            found = value
    return None if found in (None, "null", "None") else found


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            yield name, value if equals else following


def _of_config(name: str, option: str) -> str | None:
    """An option's value in a config; what is wrong with the config, the parser says later."""
    with suppress(ValueError, OSError, yaml.YAMLError, AttributeError):
        value: Any = load_yaml(find_config(name).read_text())
        for part in option.split("."):
            value = value.get(part)
        return None if value is None else str(value)
    return None


def is_named(arguments: Sequence[str], class_path: str) -> bool:
    """Whether a class is named on the command line or in a config: by its whole path, or Lightning's by their names."""
    texts = list(arguments)
    for name, value in _pairs(arguments):
        if name == "config":
            with suppress(ValueError, OSError):
                texts.append(find_config(value).read_text())
    package, _, name = class_path.rpartition(".")
    names = {class_path, name} if package.startswith("lightning.pytorch.") else {class_path}
    return any(not names.isdisjoint(re.findall(r"[\w.]+", text)) for text in texts)


def names_checkpoint(word: str) -> bool:
    """Whether a word alone is a run's folder, a study's, or the name of a checkpoint that comes with the package."""
    path = Path(word)
    known = path.name == word and not path.exists() and (WITH_THE_PACKAGE / f"{word}.ckpt").is_file()
    return known or (path / "checkpoints").is_dir() or (path / "ensemble.ckpt").is_file()


def checkpoint_file(name: str, root: str | None, training: bool, option: str = "") -> Path:
    """The checkpoint that is meant by a name, as ``--ckpt_path`` or as a command's argument.

    Args:
        name: A file; a run's folder, which means its last.ckpt to continue with training and its best.ckpt to use; a
            study's folder, which means its ensemble.ckpt; or ``last`` or ``best``: that of the run below ``root`` which
            saved latest; or the name of a checkpoint that comes with the package.
        root: ``--trainer.default_root_dir``; ``None`` is the working directory.
        training: Whether training continues.
        option: Typed before the name, for messages.

    Raises:
        FileNotFoundError: If there is none.
    """
    path, typed = Path(name), f"{option} {name}".strip()
    known = WITH_THE_PACKAGE / f"{path.name}.ckpt"  # of a name alone
    if path.is_dir():
        folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
        names = NAMES if training else (*reversed(NAMES), "ensemble")
        wanted = [folder / f"{which}.ckpt" for which in names]
        found = [file for file in wanted if file.is_file()]
        if not found and not (known.is_file() and path.name == name):
            raise FileNotFoundError(f"{typed}: the folder holds neither a last.ckpt nor a best.ckpt")
        return found[0] if found else known
    if name in NAMES and not path.exists():
        below = Path(root or ".") / LOGS
        files = sorted(below.glob(f"*/version_*/checkpoints/{name}.ckpt"), key=lambda file: file.stat().st_mtime)
        if not files:
            raise FileNotFoundError(f"{typed}: there is no run with a {name}.ckpt below {below}")
        return files[-1]
    if not path.exists() and known.is_file() and path.name == name:
        return known
    if not path.is_file():
        raise FileNotFoundError(f"{typed}: no such file")
    return path
