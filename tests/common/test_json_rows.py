"""JSON with one row a line."""

import json
from pathlib import Path

import pytest

from cifar_mlp.common.json_rows import write_json_rows

DOCUMENT = {"schema": 1, "where": {"cpu": "x", "sets": ["a", "b"]}, "rows": [{"a": [1, 2]}, {"a": []}], "empty": []}


def test_rows_and_fields_have_a_line_each(tmp_path: Path):
    path = tmp_path / "rows.json"
    write_json_rows(path, DOCUMENT, ("rows", "empty"))
    assert json.loads(path.read_text()) == DOCUMENT
    assert path.read_text().splitlines() == [
        "{", ' "schema": 1,', ' "where": {', '  "cpu": "x",', '  "sets": ["a", "b"]', " },", ' "rows": [',
        '  {"a": [1, 2]},', '  {"a": []}', " ],", ' "empty": []', "}",
    ]  # fmt: skip


def test_a_number_that_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_rows(tmp_path / "rows.json", {"rows": [{"a": float("nan")}]}, ("rows",))
    assert not list(tmp_path.glob("*.json*"))
