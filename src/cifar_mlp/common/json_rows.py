"""JSON files of measured rows, laid out so that a changed row is one changed line."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cifar_mlp.common.atomic_write import write_whole


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
