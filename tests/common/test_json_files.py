"""A damaged file of a run's folder is named; measured rows have a line each."""

import json
from pathlib import Path

import pytest

from cifar_mlp.callbacks.run_record import records
from cifar_mlp.common.json_files import read_json, write_json_rows

DOCUMENT = {"schema": 1, "where": {"cpu": "x", "sets": ["a", "b"]}, "rows": [{"a": [1, 2]}, {"a": []}], "empty": []}


@pytest.mark.parametrize("content", [b"", b"{", b"3", b"null", b'"x"', b'["x"]', b"\xff\x00", b"[" * 100_000])
def test_a_damaged_file_is_named_with_what_to_do(content: bytes):
    Path("provenance.json").write_bytes(content)
    for read in (lambda: read_json(Path("provenance.json")), lambda: records(Path())):
        with pytest.raises(ValueError, match=r"^provenance\.json is damaged \(.*\): delete it, or put back a copy$"):
            read()


def test_what_is_whole_is_read():
    Path("provenance.json").write_text('{"seed": 1}')
    assert read_json(Path("provenance.json")) == {"seed": 1}
    assert records(Path()) == [{"seed": 1}]
    assert records(Path("elsewhere")) == []
    Path("provenance.json").write_text('[{"seed": 1}]')
    assert records(Path()) == [{"seed": 1}]
    with pytest.raises(ValueError, match="not what a run writes there"):
        read_json(Path("provenance.json"))


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
