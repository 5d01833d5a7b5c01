"""The tables of the report, made from results alone."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Row, of_config
from cifar_mlp.reproduction.blocks import TableBlock
from cifar_mlp.reproduction.paired import FAILS, HOLDS, OPEN, TEST, Part
from cifar_mlp.reproduction.plan import STUDIES, Variant
from cifar_mlp.reproduction.statements import Statement
from cifar_mlp.reproduction.verdicts import (
    NOT,
    REPRODUCED,
    UNJUDGED,
    VALIDATION,
    WHOLE_TEST,
    WITHIN,
    Judged,
    Summary,
    ours,
)  # fmt: skip

ROUNDING = "reproduced up to rounding"


def mean_and_spread(found: Summary | None) -> str:
    """``56.3 ± 0.5``."""
    if found is None:
        return ""
    return f"{found.mean:.1f}" + (f" ± {found.spread:.1f}" if found.seeds > 1 else "")


def half_width(found: Summary, half: float) -> str:
    """An interval about the mean: ``55.6 to 57.0``."""
    return "" if math.isinf(half) else f"{found.mean - half:.1f} to {found.mean + half:.1f}"


def toy_table(toy: dict[str, Any]) -> TableBlock:
    """Questions 1, 2 and 3a."""
    rows = []
    for figure in toy["figures"]:
        verdict = REPRODUCED if figure["prints_the_same"] else ROUNDING if figure["held"] else NOT
        rows.append([figure["name"], figure["report"], repr(figure["ours"]), figure["rule"], verdict])
    return TableBlock(["figure", "the report", "ours, float64", "required agreement", "verdict"], rows)


def figures_table(judged: Sequence[Judged]) -> TableBlock:
    """Questions 3b and 4, figure by figure."""
    rows = []
    for one in judged:
        figure, mine = REPORT[one.config], one.ours
        sign = "≥ " if figure.at_least and one.what == VALIDATION else ""
        about = "≈ " if figure.val_rounding > 0.1 and one.what == VALIDATION else ""
        intervals = [half_width(mine, half) for half in (mine.interval, mine.one_more)]
        stated = f"{sign}{about}{one.stated:.1f}"
        rows.append([figure.network, one.what, stated, mean_and_spread(mine), one.verdict, *intervals, str(mine.seeds)])
    header = [
        "network",
        "accuracy, %",
        "the report",
        "ours",
        "verdict",
        "95 %, the mean",
        "95 %, one more run",
        "seeds",
    ]
    return TableBlock(header, rows)


def part_cells(part: Part, parts: int) -> list[str]:
    """One comparison: its difference, interval, p and verdict."""
    low, high = part.interval()
    interval = "" if math.isinf(low) else f"{low:+.1f} to {high:+.1f}"
    p = "" if len(part.differences) < 2 else "< 0.001" if part.p_value < 0.001 else f"{part.p_value:.3f}"
    return [part.claim, f"{part.mean:+.1f}", interval, p, str(len(part.differences)), part.verdict(parts)]


def statement_table(statement: Statement) -> TableBlock:
    """What one statement rests on."""
    header = ["comparison", "difference, points", "95 %", f"p, {TEST}", "seeds", "verdict"]
    return TableBlock(header, [part_cells(part, len(statement.parts)) for part in statement.parts])


def statements_summary(statements: Sequence[Statement]) -> TableBlock:
    """Every statement and its verdict."""
    return TableBlock(["statement", "verdict"], [[one.words, one.verdict] for one in statements])


def label(variant: Variant) -> str:
    """A variant for a table: what is changed, else that the config is unchanged."""
    pairs = zip(variant.options[::2], variant.options[1::2], strict=True)
    changes = [f"{option.removeprefix('--')} {value}" for option, value in pairs]
    return f"`{variant.config}`" + (f": {', '.join(changes)}" if changes else ", unchanged")


def study_table(study: str, rows: Sequence[Row]) -> TableBlock | None:
    """One side study; ``None`` where none of its own variants was run."""
    lines, own = [], False
    for variant in STUDIES[study]:
        mine = of_config(rows, variant.config, *variant.options)
        own = own or bool(mine and variant.options)
        if not mine:
            continue
        training = [row["curves"]["train/accuracy"][-1] for row in mine if "curves" in row]
        lines.append([
            label(variant), str(mine[0]["last"]["epoch"]), mean_and_spread(ours(mine, VALIDATION)),
            mean_and_spread(ours(mine, WHOLE_TEST)), f"{100 * statistics.fmean(training):.1f}" if training else "",
            str(len(mine)), f"{statistics.median(row['fit_seconds'] for row in mine):.0f}",
        ])  # fmt: skip
    header = ["setting", "epochs", "validation, %", "test, all 10,000, %", "training, %", "seeds", "s a fit"]
    return TableBlock(header, lines) if own else None


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
    sentences.append(f"Of {len(statements)} statements: {words}.")
    return " ".join(sentences)
