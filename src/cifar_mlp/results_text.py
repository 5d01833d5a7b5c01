"""The texts that measured numbers appear in, made from the results file and from nothing else."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from cifar_mlp.report_figures import REPORT, Figure
from cifar_mlp.results import Row, accuracies, card_fingerprint, load_rows, percent, same

BLOCK = re.compile(
    r"(?P<begin>^(?:# |<!-- )results:(?P<name>\S+)[^\n]*\n)(?P<body>.*?)(?P<end>^(?:# |<!-- )/results)", re.M | re.S
)


def fill(text: str, blocks: dict[str, str]) -> str:
    """Replace what stands between ``results:NAME`` and ``/results`` by the block of that name.

    Args:
        text: A card, or a Markdown page.
        blocks: Text of each block, by name.
    """
    return BLOCK.sub(lambda found: found["begin"] + blocks[found["name"]] + found["end"], text)


def documents(root: Path) -> dict[Path, str]:
    """Every file below ``root`` that holds measured numbers, as it must read."""
    rows = load_rows(root / "docs" / "results.json")
    made = {}
    for name, figure in REPORT.items():
        card = root / "configs" / "report" / f"{name}.yaml"
        mine = [row for row in rows if row["card"] == name and row["settings"] == card_fingerprint(card)]
        made[card] = fill(card.read_text(), {"card": card_text(mine, figure)})
    for page, configs in ((root / "README.md", "configs"), (root / "docs" / "results.md", "../configs")):
        blocks = {"table": report_table(rows, configs), "provenance": provenance_text(rows)}
        made[page] = fill(page.read_text(), blocks)
    return made


def card_text(rows: Sequence[Row], figure: Figure) -> str:
    """The lines of a card's heading that say what the report states and what was measured."""
    stated = f"validation {figure.val:.1f} %" + (f", test {figure.test:.1f} %" if figure.test is not None else "")
    lines = [f"The report: {stated} (1,000 images each)."]
    if not rows:
        return "# " + lines[0] + "\n# Here: not measured.\n"
    seeds = ", ".join(str(seed) for seed in sorted(row["seed"] for row in rows))
    lines += [
        f"Here, mean ± standard deviation over {len(rows)} seeds ({seeds}):",
        f"  validation at the last epoch {percent(accuracies(rows, 'last', 'val/accuracy'))} %, "
        f"at the best {percent(accuracies(rows, 'best', 'val/accuracy'))} %",
        f"  test at the best epoch {percent(accuracies(rows, 'best', 'test/accuracy_first_1000'))} % "
        f"(first 1,000), {percent(accuracies(rows, 'best', 'test/accuracy'))} % (all 10,000)",
        f"  validation at the last epoch less the report's: {difference(rows, figure):+.1f} points",
        f"  {seconds(rows)} s a fit; {same(rows, 'device')}; torch {same(rows, 'torch')}; {dates(rows)}; "
        f"commit {same(rows, 'commit')}",
    ]
    return "".join(f"# {line}\n" for line in lines)


def report_table(rows: Sequence[Row], configs: str) -> str:
    """The report's networks on CIFAR-10, theirs beside ours, in Markdown; ``configs`` is the way to the cards."""
    lines = [
        "| network | epochs | validation, the report | last epoch | best epoch | test (1,000), the report "
        "| best epoch, first 1,000 | best epoch, all 10,000 | seeds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, figure in REPORT.items():
        mine = [row for row in rows if row["card"] == name]
        if not mine:
            continue
        cells = [
            f"[{figure.network}]({configs}/report/{name}.yaml)",
            str(mine[0]["last"]["epoch"]),
            f"{figure.val:.1f}",
            percent(accuracies(mine, "last", "val/accuracy")),
            percent(accuracies(mine, "best", "val/accuracy")),
            "" if figure.test is None else f"{figure.test:.1f}",
            percent(accuracies(mine, "best", "test/accuracy_first_1000")),
            percent(accuracies(mine, "best", "test/accuracy")),
            str(len(mine)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def provenance_text(rows: Sequence[Row]) -> str:
    """One sentence on where the numbers come from."""
    mine = [row for row in rows if row["card"] in REPORT]
    if not mine:
        return "Not measured.\n"
    return (
        f"Accuracies in percent, mean ± standard deviation over seeds. {same(mine, 'device')}; precision "
        f"{same(mine, 'precision')}; torch {same(mine, 'torch')}, lightning {same(mine, 'lightning')}; {dates(mine)}; "
        f"commit {same(mine, 'commit')}; {seconds(mine)} s a fit.\n"
    )


def difference(rows: Sequence[Row], figure: Figure) -> float:
    """Our mean validation accuracy at the last epoch less the report's, in points."""
    return 100 * statistics.fmean(accuracies(rows, "last", "val/accuracy")) - figure.val


def seconds(rows: Sequence[Row]) -> str:
    """How long the fits took, shortest to longest."""
    taken = [row["fit_seconds"] for row in rows]
    return f"{min(taken):.0f} to {max(taken):.0f}"


def dates(rows: Sequence[Row]) -> str:
    """The days of the runs."""
    return ", ".join(sorted({row["date"][:10] for row in rows}))
