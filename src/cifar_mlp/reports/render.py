"""Render every page and config that shows measured numbers from the files of measured numbers alone."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Document, config_fingerprint
from cifar_mlp.reports.accuracy_tables import config_text, dropout_table, provenance_text, results_table
from cifar_mlp.reports.measured_files import FILES, Measured, blaming, read_measured
from cifar_mlp.reports.parity_tables import parity_table
from cifar_mlp.reports.performance_tables import MAKERS, job_text
from cifar_mlp.reports.performance_targets import targets_text
from cifar_mlp.reports.record_tables import record_provenance, record_short, record_table
from cifar_mlp.reports.speed_short import speed_short
from cifar_mlp.reproduction.result_plots import Picture
from cifar_mlp.reproduction.write_up import outcome

BLOCK = re.compile(
    r"(?P<begin>^(?:# |<!-- )results:(?P<name>\S+)[^\n]*\n)(?P<body>.*?)(?P<end>^(?:# |<!-- )/results)", re.M | re.S
)
MARKER = re.compile(r"^(?:# |<!-- )(?:results:(?P<name>\S*)|/results)", re.M)

# By block: the names of the measured files that it is made from.
MADE_FROM: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("config", "table", "provenance", "dropout", "reproduction"), ("results",)),
    **dict.fromkeys(("record", "record-short", "record-provenance"), ("record",)),
    "parity": ("evidence",),
    "speed-short": ("train",),
    "benchmark-targets": ("train", "scaling", "pca"),
    **{f"benchmark-{job}": (job,) for job in MAKERS},
    "benchmark-train-earlier": ("train-earlier",),
}
Maker = Callable[[], str]


def documents(root: Path) -> dict[Path, str]:
    """Every file below ``root`` that holds measured numbers, as it must read.

    Raises:
        ValueError: For a file that is missing, and markers or measured files that are not what they should be; names
            the file and the remedy.
    """
    measured = read_measured(root)
    made = {}
    for name, figure in REPORT.items():
        config = root / "configs" / "report" / f"{name}.yaml"
        with _reading(config, root):
            fingerprint = config_fingerprint(config)

        maker = partial(config_text, measured["results"]["runs"], name, fingerprint, figure)
        made[config] = fill(config, root, {"config": maker})
    for page in (
        root / "README.md",
        *(root / "docs" / name for name in ("results.md", "record.md", "log.md", "performance.md", "scaling.md")),
    ):
        made[page] = fill(page, root, page_makers(measured, root, page))
    return made


def fill(path: Path, root: Path, makers: dict[str, Maker]) -> str:
    """What a config or page must read: between ``results:NAME`` and ``/results`` stands the block of that name."""
    with _reading(path, root):
        text = path.read_text()
    check_markers(text, str(path.relative_to(root)), makers)

    def made(found: re.Match[str]) -> str:
        with blaming(MADE_FROM[found["name"]]):
            return found["begin"] + makers[found["name"]]() + found["end"]

    return BLOCK.sub(made, text)


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


def page_makers(measured: Measured, root: Path, page: Path) -> dict[str, Maker]:
    """What makes each block of a Markdown page."""
    rows = measured["results"]["runs"]
    return {
        "table": partial(results_table, rows, "configs" if page.parent == root else "../configs"),
        "provenance": partial(provenance_text, rows),
        "dropout": partial(dropout_table, rows, root / "configs" / "report" / "q4_dropout.yaml"),
        "reproduction": partial(reproduction_text, measured["results"], root / "docs"),
        "record": partial(record_table, measured["record"]),
        "record-short": partial(record_short, measured["record"]),
        "record-provenance": partial(record_provenance, measured["record"]),
        "parity": partial(parity_table, measured["evidence"]),
        "speed-short": partial(speed_short, measured["train"]),
        "benchmark-targets": partial(targets_text, measured),
        **{f"benchmark-{job}": partial(job_text, job, measured[job]) for job in MAKERS},
        "benchmark-train-earlier": partial(job_text, "train", measured["train-earlier"]),
    }


def reproduction_text(document: Document, docs: Path) -> str:
    """Figures, statements, studies and pictures of the committed reproduction, as ``docs/results.md`` shows them."""
    pictures = [Picture(docs / "results" / name, caption) for name, caption in document.get("pictures", {}).items()]
    return "\n" + outcome(document, pictures, docs)


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
