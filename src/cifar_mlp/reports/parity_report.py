"""What ``parity.py compare`` prints and writes: parity.md and parity.json.

``parity.json`` holds ``schema_version``, ``outcome`` (the headline), ``failures`` (a line each), ``environment``,
``arguments``, ``rows`` and ``not_run``. A row is one tensor against its reference, or one planted fault with the dtypes
in which the same tensors failed; its fields are those of :class:`cifar_mlp.parity.evidence.rows.Row`, left out where
they do not apply. A number that is not finite is the string ``NaN``, ``Infinity`` or ``-Infinity``.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from cifar_mlp.common import markdown
from cifar_mlp.parity.compare import DEVICES, Evidence
from cifar_mlp.parity.evidence.rows import Row
from cifar_mlp.parity.evidence.self_test import PLANTED
from cifar_mlp.parity.faults import FAULTS

SCHEMA_VERSION = 4
TITLE = "Worst tensor of each case, and the share of its tolerance that it uses"
LEGEND = (
    "Reference: autograd in float64 on the CPU. A column named by device and dtype holds the hand-derived functions. "
    "`deep` are networks of three layers with dropout, with five activations each (`running`: batch normalization in "
    "evaluation; `two labels`: smoothed and mixed; `record`: batch normalization, a residual block and two labels), "
    "`training` is the loss of 100 steps, `repeat` the same step computed twice."
)
SHOWN = 8  # faults of a layer; parity.json names all
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
        worst = _percent(max(map(_share, compared)))
        parts = [f"{cases} of {cases} cases within tolerance (worst error: {worst} of its tolerance)"]
    if planted:
        kinds, caught = len({row.witness for row in planted}), sum(row.verdict == "pass" for row in planted)
        parts.append(f"{kinds} planted faults caught in {caught} of {len(planted)} runs")
    if absent := [entry.what for entry in evidence.not_run if entry.what in DEVICES]:
        parts.append(f"not run: {', '.join(absent)}")
    return "; ".join(parts)


def summary(evidence: Evidence) -> str:
    """The headline, failures in full, the worst tensors, and what was not run, in Markdown."""
    parts = [f"**{_sentence(headline(evidence))}**\n"]
    if evidence.failures:
        parts.append("## Failures\n\n" + "".join(f"- {failure}\n" for failure in evidence.failures))
    parts.append(f"## {TITLE}\n\n{markdown.table(*matrix(evidence.rows))}")
    if evidence.not_run:
        absent = "".join(f"- {entry.what}: not run ({entry.reason})\n" for entry in evidence.not_run)
        parts.append(f"## Not run\n\n{absent}")
    return "\n".join(parts)


def as_markdown(evidence: Evidence, environment: Mapping[str, Any], picture: str) -> str:
    """The page: the summary, a picture, planted faults, and where it was measured."""
    parts = [f"# Parity\n\n{summary(evidence)}", f"{LEGEND}\n\n![Error against size and dtype]({picture})\n"]
    if any(row.case == PLANTED for row in evidence.rows):
        parts.append(
            "## Planted faults\n\nEach is planted in the code, and networks with the layer are compared again. "
            "How many were caught, of those that the dtype's rounding does not hide (parity.json names each):\n\n"
            + markdown.table(*faults(evidence.rows), words=2)
        )
    about = "; ".join(f"{key} {value}" for key, value in environment.items() if not isinstance(value, Mapping))
    devices = ", ".join(f"{device} {name or 'absent'}" for device, name in environment["devices"].items())
    parts.append(f"Measured on {devices}; {about}. Every row is in parity.json.\n")
    return "\n".join(parts)


def as_document(evidence: Evidence, environment: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as plain JSON types."""
    dtypes: dict[Row, list[str]] = {}
    for row in evidence.rows:
        dtypes.setdefault(replace(row, dtype="") if row.case == PLANTED else row, []).append(row.dtype)
    every = [asdict(row) | {"dtype": " ".join(found)} for row, found in dtypes.items()]
    rows = [{name: value for name, value in row.items() if value not in (None, "")} for row in every]
    document = {
        "schema_version": SCHEMA_VERSION,
        "outcome": headline(evidence),
        "failures": evidence.failures,
        "environment": environment,
        "arguments": arguments,
        "rows": rows,
        "not_run": [entry._asdict() for entry in evidence.not_run],
    }
    plain: dict[str, Any] = json.loads(json.dumps(document), parse_constant=str)
    return plain


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
    """A line per layer: the faults planted in it, and how many of them were caught on each device in each dtype."""
    names: dict[str, list[str]] = {}
    found: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        if row.case == PLANTED:
            layer = FAULTS[row.witness].layer
            known = names.setdefault(layer, [])
            known += [] if row.witness in known else [row.witness]
            found.setdefault((layer, f"{row.device} {row.dtype}"), []).append(row.verdict == "pass")
    columns = list(dict.fromkeys(column for _, column in found))
    lines = []
    for layer, every in names.items():
        planted = every if len(every) <= SHOWN else [*every[:SHOWN], f"{len(every) - SHOWN} more"]
        caught = [found.get((layer, column), []) for column in columns]
        lines.append([layer, "; ".join(planted), *(f"{sum(one)} of {len(one)}" if one else "" for one in caught)])
    return ["layer", "faults", *columns], lines


def _column(row: Row) -> str:
    family, _, rest = row.witness.partition(": ")
    if family == "hand":
        return f"{row.device} {row.dtype}" + (f" {rest}" if "TF32" in rest else "")
    return {"numpy": "NumPy", "differences": "central differences"}.get(family, family)


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
