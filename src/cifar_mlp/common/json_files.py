"""JSON files that a run left, read back."""

import json
from pathlib import Path
from typing import Any


def read_json(path: Path, kind: Any = dict) -> Any:
    """The content of a JSON file: an object, or a list of objects.

    Args:
        path: The file.
        kind: ``dict``, or ``list | dict`` where both will do.

    Raises:
        ValueError: If it holds anything else; names the file and what to do.
    """
    try:
        content = json.loads(path.read_bytes())
        parts = content if isinstance(content, list) else [content]
        if not isinstance(content, kind) or not all(isinstance(part, dict) for part in parts):
            raise ValueError("not what a run writes there")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, or put back a copy") from error
    return content
