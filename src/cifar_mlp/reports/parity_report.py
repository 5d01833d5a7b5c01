"""What ``parity.py compare`` prints and writes: the terminal table, parity.md and parity.json.

``parity.json`` holds ``schema_version``, ``outcome`` (the headline), ``failures`` (a line each), ``environment``,
``arguments``, ``rows`` and ``not_run``. A row is one tensor against its reference, or one planted fault; its fields are
those of :class:`cifar_mlp.parity.evidence.rows.Row`, left out where they do not apply. A number that is not finite is
the string ``nan``, ``inf`` or ``-inf``.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.json_rows import write_json_rows
from cifar_mlp.parity.compare import DEVICES, Evidence
from cifar_mlp.parity.evidence.rows import Row
from cifar_mlp.parity.evidence.self_test import PLANTED

SCHEMA_VERSION = 2
TITLE = "Worst tensor of each case, and the share of its tolerance that it uses"
Cells = tuple[list[str], list[list[str]]]


def headline(evidence: Evidence) -> str:
    """The outcome in one line; an absent device never counts as passed."""
    checks = [row for row in evidence.rows if row.verdict != "shown"]
    if not checks:
        return "nothing was compared"
    compared = [row for row in checks if row.case != PLANTED]
    planted = [row for row in checks if row.case == PLANTED]
    if evidence.failures:
        parts = [f"{len(evidence.failures)} of {len(checks)} checks failed"]
    else:
        cases = len({row.case for row in compared})
        parts = [f"{cases} of {cases} cases within tolerance (at most {_percent(max(map(_share, compared)))} used)"]
    if planted:
        parts.append(f"{sum(row.verdict == 'pass' for row in planted)} of {len(planted)} planted faults caught")
    if absent := [entry.what for entry in evidence.not_run if entry.what in DEVICES]:
        parts.append(f"not run: {', '.join(absent)}")
    return "; ".join(parts)


def print_report(evidence: Evidence, console: Console) -> None:
    """Print the matrix of cases, the headline, failures, and what was not run."""
    header, rows = matrix(evidence.rows)
    table = Table(*header, title=TITLE)
    for cells in rows:
        table.add_row(*cells, style="bold red" if any("FAIL" in cell for cell in cells) else None)
    console.print(table)
    lines = [headline(evidence), *(f"FAIL {failure}" for failure in evidence.failures)]
    for line in lines + _not_run(evidence):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def as_markdown(evidence: Evidence, environment: Mapping[str, Any], picture: str) -> str:
    """The page: headline, matrix, planted faults, failures in full, what was not run, and where it was measured."""
    parts = [f"# Parity\n\n**{_sentence(headline(evidence))}**\n"]
    if evidence.failures:
        parts.append("## Failures\n\n" + "".join(f"- {failure}\n" for failure in evidence.failures))
    parts.append(
        f"## {TITLE}\n\nReference: autograd in float64 on the CPU. A column named by device and dtype holds the "
        f"hand-derived functions. `training` is the loss of 100 steps, `repeat` the same step computed twice.\n\n"
        f"{markdown.table(*matrix(evidence.rows))}\n![Error against size and dtype]({picture})\n"
    )
    if any(row.case == PLANTED for row in evidence.rows):
        parts.append(
            "## Planted faults\n\nEach is planted in the code and the hand-derived functions are compared again. "
            "A dtype is left out if its rounding hides the fault.\n\n" + markdown.table(*faults(evidence.rows), words=3)
        )
    if absent := _not_run(evidence):
        parts.append("## Not run\n\n" + "".join(f"- {line}\n" for line in absent))
    about = "; ".join(f"{key} {value}" for key, value in environment.items() if not isinstance(value, Mapping))
    devices = ", ".join(f"{device} {name or 'absent'}" for device, name in environment["devices"].items())
    parts.append(f"Measured on {devices}; {about}. Every row is in parity.json.\n")
    return "\n".join(parts)


def as_document(evidence: Evidence, environment: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as plain JSON types."""
    document: dict[str, Any] = _plain(
        {
            "schema_version": SCHEMA_VERSION,
            "outcome": headline(evidence),
            "failures": evidence.failures,
            "environment": environment,
            "arguments": arguments,
            "rows": [
                {name: value for name, value in asdict(row).items() if value not in (None, "")} for row in evidence.rows
            ],
            "not_run": [entry._asdict() for entry in evidence.not_run],
        }
    )
    return document


def write_report(
    evidence: Evidence, environment: Mapping[str, Any], arguments: Mapping[str, Any], folder: Path, picture: str
) -> None:
    """Write ``parity.json`` and ``parity.md`` into an existing folder."""
    write_json_rows(folder / "parity.json", as_document(evidence, environment, arguments), ("rows", "not_run"))
    write_whole(as_markdown(evidence, environment, picture), folder / "parity.md")


def matrix(rows: Iterable[Row]) -> Cells:
    """A line per case, a column per implementation, device and dtype; in each cell the worst tensor."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        if row.case != PLANTED:
            groups.setdefault(row.case, {}).setdefault(_column(row), []).append(row)
    columns = list(dict.fromkeys(column for found in groups.values() for column in found))
    lines = [[case, *(_worst(found.get(column, [])) for column in columns)] for case, found in groups.items()]
    return ["case", *columns], lines


def faults(rows: Iterable[Row]) -> Cells:
    """A line per planted fault: the tensors that failed, and where it was caught or missed."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.case == PLANTED:
            found.setdefault(row.witness, []).append(row)
    lines = []
    for name, tried in found.items():
        caught: dict[str, list[str]] = {}
        for row in tried:
            caught.setdefault(row.device, []).append(
                row.dtype if row.verdict == "pass" else f"**missed in {row.dtype}**"
            )
        where = "; ".join(f"{device}: {', '.join(dtypes)}" for device, dtypes in caught.items())
        lines.append([name, tried[0].tensor, where])
    return ["fault", "tensors that failed", "caught in"], lines


def _column(row: Row) -> str:
    family, _, rest = row.witness.partition(": ")
    if family == "hand":
        return _where(row) + (f" {rest}" if "TF32" in rest else "")
    return {"numpy": "NumPy", "differences": "central differences"}.get(family, family)


def _where(row: Row) -> str:
    return f"{row.device} {row.dtype}"


def _worst(rows: list[Row]) -> str:
    if not rows:
        return ""
    worst = max(rows, key=lambda row: (row.verdict == "FAIL", _share(row)))
    if worst.verdict == "FAIL":
        return f"FAIL {worst.tensor}"
    if worst.verdict == "shown":
        return f"{worst.tensor} error {worst.normwise_error:.1e}"
    return f"{worst.tensor} {_percent(_share(worst))}"


def _share(row: Row) -> float:
    return 0.0 if row.share is None else math.inf if math.isnan(row.share) else row.share


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _not_run(evidence: Evidence) -> list[str]:
    return [f"{entry.what}: not run ({entry.reason})" for entry in evidence.not_run]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
