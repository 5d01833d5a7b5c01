"""The tables of the report in Markdown, made from results alone."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cifar_mlp.common import markdown
from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Row, accuracies, percent
from cifar_mlp.common.spread import Sample
from cifar_mlp.reproduction.paired import FAILS, HOLDS, OPEN, TEST, Part
from cifar_mlp.reproduction.plan import STUDIES, Variant
from cifar_mlp.reproduction.statements import Statement
from cifar_mlp.reproduction.verdicts import NOT, REPRODUCED, UNJUDGED, VALIDATION, WITHIN, Judged

ROUNDING = "reproduced up to rounding"


def toy_table(toy: dict[str, Any]) -> str:
    """Questions 1, 2 and 3a."""
    rows = []
    for figure in toy["figures"]:
        verdict = REPRODUCED if figure["prints_the_same"] else ROUNDING if figure["held"] else NOT
        rows.append([figure["name"], figure["report"], repr(figure["ours"]), figure["rule"], verdict])
    header = ("figure", "the report", "ours, float64", "required agreement", "verdict")
    return markdown.table(header, rows, words=None)


def figures_table(judged: Sequence[Judged]) -> str:
    """Questions 3b and 4, figure by figure."""
    rows = []
    for one in judged:
        figure, ours = REPORT[one.config], one.ours
        stated = figure.val_text if one.what == VALIDATION else f"{one.stated:.1f}"
        seeds = len(ours.values)
        spread = f" ± {ours.deviation:.1f}" if seeds > 1 else ""
        rows.append([
            figure.network, one.what, stated, f"{ours.mean:.1f}{spread}", one.verdict,
            _interval(ours, ours.half()), _interval(ours, ours.one_more), str(seeds),
        ])  # fmt: skip
    header = (
        "network",
        "accuracy, %",
        "the report",
        "ours",
        "verdict",
        "95 %, the mean",
        "95 %, one more run",
        "seeds",
    )
    return markdown.table(header, rows, words=None)


def _interval(ours: Sample, half: float) -> str:
    return "" if math.isinf(half) else f"{ours.mean - half:.1f} to {ours.mean + half:.1f}"


def statement_table(statement: Statement) -> str:
    """The comparisons that one statement rests on."""
    header = ("comparison", "difference, points", "95 %", f"p, {TEST}", "seeds", "verdict")
    rows = [_comparison(part, len(statement.parts)) for part in statement.parts]
    return markdown.table(header, rows, words=None)


def _comparison(part: Part, parts: int) -> list[str]:
    found, interval, p = Sample(part.differences), "", ""
    if len(found.values) > 1:
        low, high = found.interval()
        interval = f"{low:+.1f} to {high:+.1f}"
        p = "< 0.001" if part.p_value < 0.001 else f"{part.p_value:.3f}"
    return [part.claim, f"{found.mean:+.1f}", interval, p, str(len(found.values)), part.verdict(parts)]


def statements_summary(statements: Sequence[Statement]) -> str:
    """Every statement and its verdict."""
    return markdown.table(("statement", "verdict"), [(one.words, one.verdict) for one in statements], words=2)


def study_table(study: str, rows: Sequence[Row]) -> str | None:
    """One side study; ``None`` if only the report's own configs were run."""
    found = {variant: mine for variant in STUDIES[study].variants.values() if (mine := variant.rows_in(rows))}
    if not any(variant.options for variant in found):
        return None
    header = ("setting", "epochs", "validation, %", "test, all 10,000, %", "training, %", "seeds", "s a fit")
    return markdown.table(header, [_setting(variant, mine) for variant, mine in found.items()], words=None)


def _setting(variant: Variant, rows: Sequence[Row]) -> list[str]:
    changes = ", ".join(f"{option.removeprefix('--')} {value}" for option, value in variant.changes)
    training = [100 * row["curves"]["train/accuracy"][-1] for row in rows if "curves" in row]
    return [
        f"`{variant.config}`" + (f": {changes}" if changes else ", unchanged"),
        str(rows[0]["last"]["epoch"]),
        *(percent(accuracies(rows, "last", metric)) for metric in ("val/accuracy", "test/accuracy")),
        f"{statistics.fmean(training):.1f}" if training else "",
        str(len(rows)),
        f"{statistics.median(row['fit_seconds'] for row in rows):.0f}",
    ]


def tally(judged: Sequence[Judged], statements: Sequence[Statement], toy: dict[str, Any] | None) -> str:
    """The outcome in a sentence or two."""
    sentences = []
    if toy is not None:
        held = sum(figure["held"] for figure in toy["figures"])
        sentences.append(f"Of the toy's {len(toy['figures'])} figures {held} are met.")
    counts = Counter(one.verdict for one in judged)
    if judged:
        words = ", ".join(f"{counts[name]} {name}" for name in (REPRODUCED, WITHIN, NOT, UNJUDGED) if counts[name])
        sentences.append(f"Of {len(judged)} accuracies: {words}.")
    counts = Counter(one.verdict for one in statements)
    several = {HOLDS: "hold", FAILS: "do not hold"}
    words = ", ".join(
        f"{counts[name]} {several.get(name, name) if counts[name] > 1 else name}"
        for name in (HOLDS, FAILS, OPEN, "not run")
        if counts[name]
    )
    return " ".join([*sentences, f"Of {len(statements)} statements: {words}."])
