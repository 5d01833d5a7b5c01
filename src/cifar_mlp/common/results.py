"""Measured numbers: rows with their provenance in a JSON file, and every table that is made from them."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cifar_mlp.common.json_files import write_json_rows
from cifar_mlp.common.spread import Sample

Row = dict[str, Any]
Document = dict[str, Any]
SCHEMA = 3

METRICS = ("val/accuracy", "test/accuracy_first_1000", "test/accuracy", "val/loss", "test/loss")


def config_fingerprint(config: Path) -> str:
    """A hash of what a config asks for; its comments do not count."""
    settings = yaml.safe_load(config.read_text())
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def load_document(path: Path) -> Document:
    """Everything in a results file: ``runs``, and beside them what is known of the toy; empty without a file.

    Raises:
        ValueError: If the file is no JSON, or was written by another version.
    """
    if not path.is_file():
        return {"schema": SCHEMA, "runs": []}
    document: Document = json.loads(path.read_text())
    if document.get("schema") != SCHEMA:
        raise ValueError(f"{path}: schema {document.get('schema')}, not {SCHEMA}")
    return document


def save_document(path: Path, document: Document) -> None:
    """Write a results file, complete or not at all: a line a run, in an order that keeps differences small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    runs = sorted(document["runs"], key=run_key)
    write_json_rows(path, {**document, "schema": SCHEMA, "runs": runs}, ["runs"])


def load_rows(path: Path) -> list[Row]:
    """The rows in ``path``; none where there is no file."""
    rows: list[Row] = load_document(path)["runs"]
    return rows


def run_key(row: Row) -> tuple[str, list[str], int]:
    """What tells one run from another: config, options beyond the config, seed."""
    return row["config"], row.get("options", []), row["seed"]


def of_config(rows: Sequence[Row], config: str, *options: str) -> list[Row]:
    """The runs of a config, as it stands or with just these options beyond it."""
    return [row for row in rows if row["config"] == config and row.get("options", []) == list(options)]


def as_row(config: Path, options: Sequence[str], seed: int, results: dict[str, Any]) -> Row:
    """One run's row, from the ``results.json`` that ``scripts/fit.sh`` leaves.

    Args:
        config: The config that was run.
        options: What was asked for beyond the config.
        seed: Its seed.
        results: Content of the file.
    """
    kept: dict[str, Any] = {
        which: {"epoch": results[which]["epoch"]}
        | {name: rounded(results[which][name], 6) for name in METRICS if name in results[which]}
        for which in ("best", "last")
        if which in results  # without validation there is no best
    }
    wanted = ("commit", "date", "device", "python", "torch", "lightning", "precision", "fit_seconds")
    provenance = {name: results["provenance"][name] for name in wanted}
    beyond = {"options": list(options)} if options else {}
    return {"config": config.stem, **beyond, "settings": config_fingerprint(config), "seed": seed, **kept, **provenance}


def rounded(value: float, digits: int) -> float | None:
    """A number short enough to keep; ``None`` where it is not finite, as JSON has no such number."""
    return round(value, digits) if math.isfinite(value) else None


def percent(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds of accuracies, in percent, e.g. ``56.3 ± 0.5``."""
    found = Sample(values)
    spread = f" ± {100 * found.deviation:.1f}" if len(values) > 1 else ""
    return f"{100 * found.mean:.1f}{spread}"


def accuracies(rows: Sequence[Row], which: str, metric: str) -> list[float]:
    """One metric over the rows, at the ``best`` or the ``last`` epoch."""
    return [row[which][metric] for row in rows]


def days(rows: Sequence[Row]) -> str:
    """The days on which the rows were measured."""
    return ", ".join(sorted({row["date"][:10] for row in rows}))


def same(rows: Sequence[Row], name: str) -> str:
    """What all rows agree on, or what they range over."""
    return " and ".join(sorted({str(row[name]) for row in rows}))
