"""Render every page and config that shows measured numbers from the files of measured numbers alone."""

import re
import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml

from cifar_mlp.common import markdown
from cifar_mlp.common.course_report import REPORT, Figure
from cifar_mlp.common.results import Document, Row, accuracies, config_fingerprint, of_config, percent, same
from cifar_mlp.reports.measured_files import FILES, Measured, blaming, read_measured
from cifar_mlp.reports.parity_tables import parity_table, speed_table
from cifar_mlp.reports.performance_tables import MAKERS, job_text, speed_short
from cifar_mlp.reports.performance_targets import targets_text
from cifar_mlp.reproduction.blocks import Block, Heading, Picture, Text, as_markdown
from cifar_mlp.reproduction.write_up import outcome, sources

BLOCK = re.compile(
    r"(?P<begin>^(?:# |<!-- )results:(?P<name>\S+)[^\n]*\n)(?P<body>.*?)(?P<end>^(?:# |<!-- )/results)", re.M | re.S
)
MARKER = re.compile(r"^(?:# |<!-- )(?:results:(?P<name>\S*)|/results)", re.M)

# By block: the names of the measured files that it is made from.
MADE_FROM: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("config", "table", "provenance", "dropout", "reproduction"), ("results",)),
    "parity": ("parity",),
    "speed": ("speed",),
    "speed-short": ("train",),
    "benchmark-targets": ("train", "pca"),
    **{f"benchmark-{job}": (job,) for job in MAKERS},
}
Maker = Callable[[], str]
BEST = "q3_tuned"  # in configs/sweeps/best


def fill(path: Path, root: Path, makers: dict[str, Maker]) -> str:
    """What a file must read: between ``results:NAME`` and ``/results`` stands the block of that name.

    Args:
        path: A config, or a Markdown page.
        root: The repository's.
        makers: What makes each block, by name.

    Raises:
        ValueError: For a file that is missing, and markers or measured files that are not what they should be; names
            the file and the remedy.
    """
    with _reading(path, root):
        text = path.read_text()
    check_markers(text, str(path.relative_to(root)), makers)
    return BLOCK.sub(lambda found: found["begin"] + _made(found["name"], makers) + found["end"], text)


def check_markers(text: str, where: str, names: Collection[str]) -> None:
    """Each ``results:NAME`` must be known, and closed by a ``/results`` before the next.

    Raises:
        ValueError: Names file and line, and says what to do.
    """
    opened = None
    for found in MARKER.finditer(text):
        name, line = found["name"], text.count("\n", 0, found.start()) + 1
        if name is None and opened is None:
            raise ValueError(f"{where}, line {line}: /results closes nothing; put the results:NAME before it back")
        if name is not None and opened is not None:
            break
        if name is not None and name not in names:
            raise ValueError(f"{where}, line {line}: no block results:{name}; there are: {', '.join(sorted(names))}")
        opened = None if name is None else (name, line)
    if opened is not None:
        raise ValueError(f"{where}, line {opened[1]}: results:{opened[0]} is not closed; put its /results back")


def sources_of(text: str) -> list[str]:
    """The measured files that the blocks of a config or page are made from."""
    names = [source for found in BLOCK.finditer(text) for source in MADE_FROM[found["name"]]]
    return [FILES[name].path for name in dict.fromkeys(names)]


@contextmanager
def _reading(path: Path, root: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{path.relative_to(root)}: {said}; take it back from git") from error


def _made(name: str, makers: dict[str, Maker]) -> str:
    with blaming(MADE_FROM[name]):
        return makers[name]()


def documents(root: Path) -> dict[Path, str]:
    """Every file below ``root`` that holds measured numbers, as it must read.

    Raises:
        ValueError: As ``fill`` and ``read_measured``.
    """
    measured = read_measured(root)
    rows = measured["results"]["runs"]
    made = {}
    for name, figure in REPORT.items():
        config = root / "configs" / "report" / f"{name}.yaml"
        with _reading(config, root):
            fingerprint = config_fingerprint(config)
        made[config] = fill(config, root, {"config": partial(own_config_text, rows, name, fingerprint, figure)})
    for page in (root / "README.md", *(root / "docs" / name for name in ("results.md", "log.md", "performance.md"))):
        made[page] = fill(page, root, page_makers(measured, root, page))
    return made


def page_makers(measured: Measured, root: Path, page: Path) -> dict[str, Maker]:
    """What makes each block of a Markdown page."""
    rows = measured["results"]["runs"]
    made: dict[str, Maker] = {
        "table": partial(results_table, rows, "configs" if page.parent == root else "../configs"),
        "provenance": partial(provenance_text, rows),
        "dropout": partial(dropout_table, rows, root / "configs" / "report" / "q4_dropout.yaml"),
        "reproduction": partial(reproduction_text, measured["results"], root / "docs"),
        "parity": partial(parity_table, measured["parity"]),
        "speed": partial(speed_table, measured["speed"]),
        "speed-short": partial(speed_short, measured["train"]),
        "benchmark-targets": partial(targets_text, measured),
    }
    for job in MAKERS:
        made[f"benchmark-{job}"] = partial(job_text, job, measured[job])
    return made


def own_config_text(rows: Sequence[Row], name: str, fingerprint: str, figure: Figure) -> str:
    """The heading of a config, from those of its runs that were made with its settings as they are now."""
    return config_text([row for row in of_config(rows, name) if row["settings"] == fingerprint], figure)


def config_text(rows: Sequence[Row], figure: Figure) -> str:
    """The lines of a config's heading that say what the report states and what was measured."""
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


def results_table(rows: Sequence[Row], configs: str) -> str:
    """Accuracies of the report's networks and our best at the last epoch; ``configs`` is the path to their configs."""
    lines = []
    for name, figure in REPORT.items():
        if mine := of_config(rows, name):
            about = "≥ " if figure.at_least else "≈ " if figure.val_rounding > 0.1 else ""
            stated = f"{about}{figure.val:.1f}"
            lines.append(_results_row(f"[{figure.network}]({configs}/report/{name}.yaml)", stated, mine))
    if mine := of_config(rows, BEST):
        lines.append(_results_row(f"**[our best, 1400, GELU]({configs}/sweeps/best/{BEST}.yaml)**", "", mine))
    header = ("hidden layers", "epochs", "validation, the report", "validation, ours", "test, ours")
    return markdown.table(header, lines)


def _results_row(network: str, stated: str, rows: Sequence[Row]) -> list[str]:
    validation, test = (percent(accuracies(rows, "last", name)) for name in ("val/accuracy", "test/accuracy"))
    return [network, str(rows[0]["last"]["epoch"]), stated, validation, test]


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
    mine = [row for name in REPORT for row in of_config(rows, name)]
    if not mine:
        return "Not measured.\n"
    return (
        f"Percent at the last epoch, mean ± standard deviation over {len_range(mine)} seeds; 1,000 validation "
        f"and 10,000 test images. {same(mine, 'device')}; {same(mine, 'precision')}; torch {same(mine, 'torch')}; "
        f"{dates(mine)}; {seconds(mine)} s a fit.\n"
    )


def len_range(rows: Sequence[Row]) -> str:
    """Seeds per config, fewest to most."""
    counts = {len(of_config(rows, row["config"])) for row in rows}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def dropout_table(rows: Sequence[Row], config: Path) -> str:
    """Validation accuracy at every dropout rate that was tried."""
    rates: dict[float, list[Row]] = {}
    for row in rows:
        options = row.get("options", [])
        if row["config"] == config.stem and options[:1] in ([], ["--model.dropout"]):
            rate = options[1] if options else yaml.safe_load(config.read_text())["model"]["dropout"]
            rates.setdefault(float(rate), []).append(row)
    lines = [
        [f"{rate:g}", *(percent(accuracies(mine, which, "val/accuracy")) for which in ("last", "best")), str(len(mine))]
        for rate, mine in sorted(rates.items())
    ]
    return markdown.table(("dropout", "validation, last epoch", "best epoch", "seeds"), lines, words=0)


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
