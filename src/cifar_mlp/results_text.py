"""The texts that measured numbers appear in, made from the results file and from nothing else."""

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cifar_mlp.performance_text import performance_blocks
from cifar_mlp.report_figures import REPORT, Figure
from cifar_mlp.reproduction.blocks import Block, Heading, Picture, Text, as_markdown
from cifar_mlp.reproduction.report import outcome, sources
from cifar_mlp.reproduction.verdicts import TEST, VALIDATION, judge
from cifar_mlp.results import Document, Row, accuracies, card_fingerprint, load_document, of_card, percent, same

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
    document = load_document(root / "docs" / "results.json")
    rows = document["runs"]
    made = {}
    for name, figure in REPORT.items():
        card = root / "configs" / "report" / f"{name}.yaml"
        mine = [row for row in of_card(rows, name) if row["settings"] == card_fingerprint(card)]
        made[card] = fill(card.read_text(), {"card": card_text(mine, figure)})
    parity = root / "docs" / "parity" / "parity.json"
    speed = root / "docs" / "parity" / "benchmark.json"
    docs = root / "docs"
    for page in (root / "README.md", docs / "results.md", docs / "log.md", docs / "performance.md"):
        blocks = {
            "table": report_table(rows, "configs" if page.parent == root else "../configs"),
            "provenance": provenance_text(rows),
            "dropout": dropout_table(rows, root / "configs" / "report" / "q4_dropout.yaml"),
            "reproduction": reproduction_text(document, root / "docs"),
            "parity": parity_table(json.loads(parity.read_text())),
            "speed": speed_table(json.loads(speed.read_text())),
            **performance_blocks(root / "docs" / "performance"),
        }
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
    header = [
        "network", "epochs", "validation, the report", "ours", "verdict", "test, the report", "ours, their 1,000",
        "verdict", "ours, all 10,000", "seeds",
    ]  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|---|--:|--:|--:|---|--:|--:|---|--:|--:|"]
    for name, figure in REPORT.items():
        mine = of_card(rows, name)
        if not mine:
            continue
        judged = {one.what: one.verdict for one in judge(name, figure, mine)}
        about = "≥ " if figure.at_least else "≈ " if figure.val_rounding > 0.1 else ""
        cells = [
            f"[{figure.network}]({configs}/report/{name}.yaml)",
            str(mine[0]["last"]["epoch"]),
            f"{about}{figure.val:.1f}",
            percent(accuracies(mine, "last", "val/accuracy")),
            judged[VALIDATION],
            "" if figure.test is None else f"{figure.test:.1f}",
            percent(accuracies(mine, "last", "test/accuracy_first_1000")),
            judged.get(TEST, ""),
            percent(accuracies(mine, "last", "test/accuracy")),
            str(len(mine)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def reproduction_text(document: Document, docs: Path) -> str:
    """Figures, statements, studies and pictures of the committed reproduction, as ``docs/results.md`` shows them."""
    pictures = [Picture(docs / "results" / name, caption) for name, caption in document.get("pictures", {}).items()]
    blocks: list[Block] = outcome(document)
    if pictures:
        blocks += [Heading("Pictures"), *pictures]
    blocks += [Heading("Where the numbers come from"), Text(sources(document["runs"]))]
    return "\n" + as_markdown(blocks, docs)


def provenance_text(rows: Sequence[Row]) -> str:
    """One sentence on where the numbers come from."""
    mine = [row for name in REPORT for row in of_card(rows, name)]
    if not mine:
        return "Not measured.\n"
    return (
        f"Accuracies in percent at the last epoch, mean ± standard deviation over seeds. {same(mine, 'device')}; "
        f"precision {same(mine, 'precision')}; torch {same(mine, 'torch')}, lightning {same(mine, 'lightning')}; "
        f"{dates(mine)}; commit {same(mine, 'commit')}; {seconds(mine)} s a fit.\n"
    )


def dropout_table(rows: Sequence[Row], card: Path) -> str:
    """Validation accuracy at every dropout rate that was tried."""
    lines = ["| dropout | validation, last epoch | best epoch | seeds |", "|--:|--:|--:|--:|"]
    rates: dict[float, list[Row]] = {}
    for row in rows:
        options = row.get("options", [])
        if row["card"] == card.stem and options[:1] in ([], ["--model.dropout"]):
            rate = options[1] if options else yaml.safe_load(card.read_text())["model"]["dropout"]
            rates.setdefault(float(rate), []).append(row)
    for rate, mine in sorted(rates.items()):
        shown = [percent(accuracies(mine, which, "val/accuracy")) for which in ("last", "best")]
        lines.append(f"| {rate:g} | {shown[0]} | {shown[1]} | {len(mine)} |")
    return "\n".join(lines) + "\n"


PARITY_CASE = "510-600-10:200"
PARITY_COLUMNS = {
    "autograd, float64": ("autograd", "float64"),
    "NumPy, float64": ("numpy", "float64"),
    "by hand, float32": ("hand: loss_and_gradients", "float32"),
    "by hand, bfloat16": ("hand: loss_and_gradients", "bfloat16"),
}


def parity_table(evidence: dict[str, Any]) -> str:
    """Normwise errors of the loss and the gradients against the reference, by witness and type."""
    rows = {
        (row["witness"], row["dtype"], row["tensor"]): row
        for row in evidence["rows"]
        if row["case"] == PARITY_CASE and row["device"] == "cpu"
    }
    lines = ["| tensor | " + " | ".join(PARITY_COLUMNS) + " |", "|---|" + "--:|" * len(PARITY_COLUMNS)]
    for tensor in ("loss", "w1", "b1", "w2", "b2"):
        found = [rows[(*column, tensor)] for column in PARITY_COLUMNS.values()]
        lines.append(f"| {tensor} | " + " | ".join(f"{row['normwise_error']:.1e}" for row in found) + " |")
    where = evidence["environment"]
    lines += [
        "",
        f"{evidence['outcome'].capitalize()}. {where['devices']['cpu']}, {where['threads']} thread(s), torch "
        f"{where['torch']}, {where['date'][:10]}, commit {where['git_commit'][:12]}.",
    ]
    return "\n".join(lines) + "\n"


def speed_table(benchmark: dict[str, Any]) -> str:
    """Speed and memory of the gradients by hand beside autograd's."""
    lines = [
        "| size | candidate | ms | speed, eager autograd = 1 | quartiles | allocated, MB |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in benchmark["timings"]:
        low, high = row["speed_quartiles"]
        allocated = "" if row["allocated_bytes"] is None else f"{row['allocated_bytes'] / 1e6:.1f}"
        cells = [row["size"], row["candidate"], f"{row['milliseconds']:.2f}", f"{row['speed']:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{low:.2f} to {high:.2f}", allocated]) + " |")
    where = benchmark["environment"]
    lines += [
        "",
        f"float32, {benchmark['rounds']} rounds in turn. {where['devices']['cpu']}, {where['threads']} thread(s), "
        f"torch {where['torch']}, {where['date'][:10]}, commit {where['git_commit'][:12]}.",
    ]
    return "\n".join(lines) + "\n"


def difference(rows: Sequence[Row], figure: Figure) -> float:
    """Our mean validation accuracy at the last epoch less the report's, in points."""
    return 100 * statistics.fmean(accuracies(rows, "last", "val/accuracy")) - figure.val


def seconds(rows: Sequence[Row]) -> str:
    """How long the fits took, shortest to longest."""
    taken = [row["fit_seconds"] for row in rows]
    shortest, longest = f"{min(taken):.0f}", f"{max(taken):.0f}"
    return shortest if shortest == longest else f"{shortest} to {longest}"


def dates(rows: Sequence[Row]) -> str:
    """The days of the runs."""
    return ", ".join(sorted({row["date"][:10] for row in rows}))
