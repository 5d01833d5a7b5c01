"""What a command's cards say before the parser reads them."""

from pathlib import Path
from typing import Any

import yaml

from cifar_mlp import models

TAKEN_FROM_THE_DATA = ("--model.in_features", "--model.num_classes", "--model.metric_prefix")


def named_model(arguments: list[str]) -> str:
    """The network class that ``--model`` names, else the last card that names one, else ``Classifier``.

    Raises:
        FileNotFoundError, ValueError: For a card that is missing or is no YAML; the parser would not say which.
    """
    named = "Classifier"
    for position, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        value = value if equals else "".join(arguments[position + 1 : position + 2])
        if option in TAKEN_FROM_THE_DATA:
            raise ValueError(f"{option} is taken from the data: drop it")
        if option == "--model":
            named = _known_model(value, named)
            break
        if option in ("--config", "-c"):
            card = _read_card(value)
            model = card.get("model")
            named = _known_model(model.get("class_path") if isinstance(model, dict) else model, named)
    return named


def _known_model(path: Any, otherwise: str) -> str:
    name = str(path).rsplit(".", 1)[-1]
    return name if name in models.__all__ else otherwise


def _read_card(path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"--config {path!r}: no such file")
    try:
        card = yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {path} is no YAML: {error}") from error
    if not isinstance(card, dict):
        raise ValueError(f"--config {path} must hold settings under trainer, data and model, not {card!r}")
    for section in ("trainer", "data"):
        if not isinstance(card.get(section, {}), dict):
            raise ValueError(f"--config {path}: {section} must hold settings by name, not {card[section]!r}")
    return card
