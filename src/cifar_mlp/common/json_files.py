"""JSON files: what a run left, read back, and measured rows, laid out so that a changed row is one changed line."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cifar_mlp.common.atomic_write import write_whole


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


def write_json_rows(path: Path, document: Mapping[str, Any], rows_keys: Collection[str]) -> None:
    """Write a JSON object, complete or not at all: one line per top-level value, per field of a nested object, per row.

    Args:
        path: File, whose folder exists.
        document: Plain JSON types.
        rows_keys: Top-level keys whose lists are written one entry a line.

    Raises:
        ValueError: If a number is not finite; JSON has no such number.
    """
    entries = [f" {json.dumps(key)}: {_value(value, key in rows_keys)}" for key, value in document.items()]
    write_whole("{\n" + ",\n".join(entries) + "\n}\n", path)


def _value(value: Any, is_rows: bool) -> str:
    if is_rows and value:
        return "[\n" + ",\n".join(f"  {_line(row)}" for row in value) + "\n ]"
    if isinstance(value, Mapping) and value:
        return "{\n" + ",\n".join(f"  {_line(key)}: {_line(field)}" for key, field in value.items()) + "\n }"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
