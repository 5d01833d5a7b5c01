"""The comparison on paper: a terminal table, parity.json (docs/parity_schema.md) and parity.md."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.parity.evidence.findings import DEVICES, Comparison
from cifar_mlp.parity.evidence.rows import Row

SCHEMA_VERSION = 1
SUMMARY = (
    "case", "witness", "device", "dtype", "tensors", "worst", "normwise", "ULP", "flips", "limit used",
    "verdict",
)  # fmt: skip
DETAIL = (
    "tensor", "shape", "largest", "max abs", "normwise", "ULP", "cosine", "flips", "limit", "RMSE / limit",
    "limit used", "verdict",
)  # fmt: skip


def headline(comparison: Comparison) -> str:
    """The outcome in one line; a device that is not there is never called passed."""
    if not comparison.gates:
        return "nothing was compared"
    failed, gates = len(comparison.failures), comparison.gates
    outcome = f"{failed} of {gates} gates failed" if failed else f"all {gates} gates held"
    absent = [entry.what for entry in comparison.not_run if entry.what in DEVICES]
    return f"{outcome}; not run: {', '.join(absent)}" if absent else outcome


def print_report(comparison: Comparison, console: Console) -> None:
    """Print the worst tensor of every witness, the training and repeat lines, and what was not run."""
    title = "Each witness's worst tensor against the reference (by hand, float64, CPU)"
    table = Table(*SUMMARY, title=title)
    for cells in _summary(comparison.rows, _family):
        table.add_row(*cells, style="bold red" if cells[-1] == "FAIL" else None)
    console.print(table)
    for line in _closing_lines(comparison):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def as_dict(comparison: Comparison, environment: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as plain JSON types; a number that is not finite becomes its name, as JSON has none."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "outcome": headline(comparison),
        "failures": comparison.failures,
        "environment": environment,
        "arguments": arguments,
        "rows": [asdict(row) for row in comparison.rows],
        "trainings": [asdict(training) for training in comparison.trainings],
        "repeats": [asdict(repeat) for repeat in comparison.repeats],
        "not_run": [entry._asdict() for entry in comparison.not_run],
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def write_json(document: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file that is whole or not there."""
    write_whole(json.dumps(document, indent=1, allow_nan=False) + "\n", path)


def as_markdown(comparison: Comparison, environment: Mapping[str, Any], figure: str | None = None) -> str:
    """The whole report: outcome, where it was measured, summary, and every tensor by case."""
    lines = ["# Parity", "", f"**{headline(comparison)}.** Reference: by hand, float64, CPU.", ""]
    lines += [f"- {line}" for line in _closing_lines(comparison)[1:]]
    lines += ["", *(f"- {key}: {value}" for key, value in environment.items()), ""]
    lines += [f"![Normwise error against size and dtype]({figure})", ""] if figure else []
    lines += ["## Each witness's worst tensor", "", *markdown_table(SUMMARY, _summary(comparison.rows)), ""]
    for (case, witness, device, dtype), rows in _groups(comparison.rows).items():
        lines += [f"## {case}: {witness}, {device} {dtype}", ""]
        lines += [*markdown_table(DETAIL, map(_detail, rows)), ""]
    return "\n".join(lines)


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table, line by line."""
    header = list(header)
    body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *body]]


def _closing_lines(comparison: Comparison) -> list[str]:
    lines = [headline(comparison)]
    lines += [f"FAIL {failure}" for failure in comparison.failures]
    for training in comparison.trainings:
        limit = f"limit {training.limit:.0e}" if training.limit else "no limit"
        lines.append(
            f"{training.steps} training steps, {training.witness}, {training.device} {training.dtype}: loss "
            f"{training.first_loss:.6f} to {training.last_loss:.6f}, largest relative error "
            f"{training.largest_relative_error:.1e} ({limit}): {training.verdict}"
        )
    for repeat in comparison.repeats:
        bits = f"{', '.join(repeat.differing)} differ" if repeat.differing else "the same bits"
        lines.append(f"run twice, {repeat.device} {repeat.dtype}: {bits}: {repeat.verdict}")
    return lines + [f"{entry.what}: not run ({entry.reason})" for entry in comparison.not_run]


def _witness(row: Row) -> str:
    return row.witness


def _family(row: Row) -> str:
    """All public functions by hand in one, TF32 apart."""
    return row.witness if "TF32" in row.witness else row.witness.split(":")[0]


def _groups(rows: Iterable[Row], label: Callable[[Row], str] = _witness) -> dict[tuple[str, str, str, str], list[Row]]:
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.case, label(row), row.device, row.dtype), []).append(row)
    return groups


def _summary(rows: Iterable[Row], label: Callable[[Row], str] = _witness) -> list[list[str]]:
    return [[*key, str(len(group)), *_worst(group)] for key, group in _groups(rows, label).items()]


def _worst(group: list[Row]) -> list[str]:
    def badness(row: Row) -> tuple[bool, float]:
        share = math.inf if row.share is None and row.verdict == "FAIL" else row.share or 0.0
        return row.verdict == "FAIL", math.inf if math.isnan(share) else share

    worst = max(group, key=badness)
    flips = next((row.mask_flips for row in group if row.mask_flips is not None), None)
    return [
        worst.tensor,
        _number(worst.normwise_error),
        _number(worst.ulp_error),
        _number(flips),
        _share(worst),
        worst.verdict,
    ]


def _detail(row: Row) -> list[str]:
    three_way = "" if row.rmse_limit is None else f"{_number(row.rmse)} / {_number(row.rmse_limit)}"
    return [
        row.tensor,
        "x".join(map(str, row.shape)) if row.shape else "scalar" if row.shape == () else "",
        _number(row.largest),
        _number(row.max_abs_error),
        _number(row.normwise_error),
        _number(row.ulp_error),
        "" if row.cosine is None else f"1 - {1 - row.cosine:.1e}",
        _number(row.mask_flips),
        _number(row.limit),
        three_way,
        _share(row),
        f"{row.verdict} {row.reason}".strip(),
    ]


def _share(row: Row) -> str:
    return "" if row.share is None else f"{100 * row.share:.2g} %"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.1e}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
