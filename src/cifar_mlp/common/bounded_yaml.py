"""YAML whose content is as large as it looks."""

from typing import Any

import yaml

MOST_VALUES = 100_000
MOST_LEVELS = 50


def load_yaml(text: str) -> Any:
    """The content of a YAML document.

    Raises:
        yaml.YAMLError: If it is none.
        ValueError: If it refers to itself, unfolds to more than 100,000 values, or is nested more than 50 levels deep.
    """
    try:
        content = yaml.safe_load(text)
    except RecursionError:
        raise ValueError(f"the YAML is nested more than {MOST_LEVELS} levels deep") from None
    values, waiting = 0, [(content, 0)]
    while waiting:
        value, level = waiting.pop()
        values += 1
        if level > MOST_LEVELS or values > MOST_VALUES:
            raise ValueError(
                f"the YAML refers to itself, unfolds to more than {MOST_VALUES:,} values, or is nested more than "
                f"{MOST_LEVELS} levels deep"
            )
        if isinstance(value, dict):
            waiting += [(inner, level + 1) for inner in value.values()]
        elif isinstance(value, list):
            waiting += [(inner, level + 1) for inner in value]
    return content
