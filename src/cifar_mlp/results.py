"""Measured numbers: rows with their provenance in a JSON file, and every table that is made from them."""

import hashlib
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]

METRICS = ("val/accuracy", "test/accuracy_first_1000", "test/accuracy", "val/loss", "test/loss")


def card_fingerprint(card: Path) -> str:
    """A hash of what a card asks for; its comments do not count."""
    settings = yaml.safe_load(card.read_text())
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def load_rows(path: Path) -> list[Row]:
    """The rows in ``path``; none where there is no file."""
    return json.loads(path.read_text())["runs"] if path.is_file() else []


def save_rows(path: Path, rows: list[Row]) -> None:
    """Write the rows to ``path``, whole or not at all, in an order that keeps differences small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted(rows, key=run_key)
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix="unfinished-")
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps({"schema": 1, "runs": ordered}, indent=1) + "\n")
    Path(unfinished).chmod(0o644)
    os.replace(unfinished, path)


def run_key(row: Row) -> tuple[str, list[str], int]:
    """What tells one run from another: card, options beyond the card, seed."""
    return row["card"], row.get("options", []), row["seed"]


def of_card(rows: Sequence[Row], card: str, *options: str) -> list[Row]:
    """The runs of a card, as it stands or with just these options beyond it."""
    return [row for row in rows if row["card"] == card and row.get("options", []) == list(options)]


def as_row(card: Path, seed: int, results: dict[str, Any]) -> Row:
    """One run's row, from the ``results.json`` that ``scripts/fit.sh`` leaves.

    Args:
        card: The card that was run.
        seed: Its seed.
        results: Content of the file.
    """
    kept = {
        which: {"epoch": results[which]["epoch"]}
        | {name: round(results[which][name], 6) for name in METRICS if name in results[which]}
        for which in ("best", "last")
    }
    wanted = ("commit", "date", "device", "torch", "lightning", "precision", "fit_seconds")
    provenance = {name: results["provenance"][name] for name in wanted}
    return {"card": card.stem, "settings": card_fingerprint(card), "seed": seed, **kept, **provenance}


def percent(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds of accuracies, in percent, e.g. ``56.3 ± 0.5``."""
    mean = 100 * statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.1f}"
    return f"{mean:.1f} ± {100 * statistics.stdev(values):.1f}"


def accuracies(rows: Sequence[Row], which: str, metric: str) -> list[float]:
    """One metric over the rows, at the ``best`` or the ``last`` epoch."""
    return [row[which][metric] for row in rows]


def same(rows: Sequence[Row], name: str) -> str:
    """What all rows agree on, or what they range over."""
    return ", ".join(sorted({str(row[name]) for row in rows}))
