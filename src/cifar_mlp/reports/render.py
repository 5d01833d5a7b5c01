"""Render every page and config that shows measured numbers from the files of measured numbers alone."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Document, config_fingerprint
from cifar_mlp.reports.accuracy_tables import config_text, dropout_table, provenance_text, results_table
from cifar_mlp.reports.measured_files import FILES, Measured, blaming, read_measured
from cifar_mlp.reports.performance_tables import MAKERS, job_text
from cifar_mlp.reports.performance_targets import targets_text
from cifar_mlp.reports.record_tables import best_rows, record_ablation, record_line, record_provenance, record_table
from cifar_mlp.reports.short_tables import parity_table, speed_short
from cifar_mlp.reproduction.result_plots import Picture
from cifar_mlp.reproduction.write_up import outcome

BLOCK = re.compile(
    r"(?P<begin>^(?:# |<!-- )results:(?P<name>\S+)[^\n]*\n)(?P<body>.*?)(?P<end>^(?:# |<!-- )/results)", re.M | re.S
)
MARKER = re.compile(r"^(?:# |<!-- )(?:results:(?P<name>\S*)|/results)", re.M)


class Content(NamedTuple):
    """What stands in a block."""

    files: tuple[str, ...]  # names of the measured files that it is made from
    make: Callable[[Measured, Path, Path], str]  # given these, the repository's root, and the config or page


def _config(measured: Measured, root: Path, config: Path) -> str:
    return config_text(measured["results"]["runs"], config.stem, config_fingerprint(config), REPORT[config.stem])


def _table(measured: Measured, root: Path, page: Path) -> str:
    rows = measured["results"]["runs"]
    return f"{results_table(rows, best_rows(measured['record']))}\n{provenance_text(rows)}"


def _dropout(measured: Measured, root: Path, page: Path) -> str:
    return dropout_table(measured["results"]["runs"], root / "configs" / "report" / "q4_dropout.yaml")


def _reproduction(measured: Measured, root: Path, page: Path) -> str:
    """Figures, statements, studies and pictures of the committed reproduction, as ``docs/results.md`` shows them."""
    document, docs = measured["results"], root / "docs"
    pictures = [Picture(docs / "results" / name, caption) for name, caption in document.get("pictures", {}).items()]
    return "\n" + outcome(document, pictures, docs)


def _record(measured: Measured, root: Path, page: Path) -> str:
    return record_table(measured["record"], measured["record-speed"])


def _of(name: str, make: Callable[[Document], str]) -> Content:
    """What one measured file alone decides."""
    return Content((name,), lambda measured, root, page: make(measured[name]))


CONFIG_BLOCK = "config"
CONTENTS: dict[str, Content] = {
    CONFIG_BLOCK: Content(("results",), _config),
    "table": Content(("results", "record"), _table),
    "dropout": Content(("results",), _dropout),
    "reproduction": Content(("results",), _reproduction),
    "record": Content(("record", "record-speed"), _record),
    "record-line": _of("record", record_line),
    "record-provenance": _of("record", record_provenance),
    "record-ablation": _of("ablation", record_ablation),
    "parity": _of("evidence", parity_table),
    "speed-short": _of("train", speed_short),
    "benchmark-targets": Content(("train", "scaling", "pca"), lambda measured, root, page: targets_text(measured)),
    **{f"benchmark-{job}": _of(job, partial(job_text, job)) for job in MAKERS},
    "benchmark-record": _of("record-speed", partial(job_text, "record")),
    "benchmark-train-earlier": _of("train-earlier", partial(job_text, "train")),
}


def documents(root: Path) -> dict[Path, str]:
    """Every file below ``root`` that holds measured numbers, as it must read.

    Raises:
        ValueError: For a file that is missing, and markers or measured files that are not what they should be; names
            the file and the remedy.
    """
    measured = read_measured(root)
    configs = [root / "configs" / "report" / f"{name}.yaml" for name in REPORT]
    pages = [root / "docs" / name for name in ("results.md", "record.md", "log.md", "performance.md", "scaling.md")]
    return {path: fill(path, root, measured) for path in (*configs, root / "README.md", *pages)}


def fill(path: Path, root: Path, measured: Measured) -> str:
    """What a config or page must read: between ``results:NAME`` and ``/results`` stands the block of that name."""
    with _reading(path, root, ValueError, TypeError):
        text = path.read_text()
        if path.suffix == ".yaml":
            config_fingerprint(path)  # here, so that the measured files are not blamed for a config without one
    names = [CONFIG_BLOCK] if path.suffix == ".yaml" else CONTENTS.keys() - {CONFIG_BLOCK}
    check_markers(text, str(path.relative_to(root)), names)

    def made(found: re.Match[str]) -> str:
        content = CONTENTS[found["name"]]
        with _reading(path, root), blaming(content.files):
            return found["begin"] + content.make(measured, root, path) + found["end"]

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


def sources_of(text: str) -> list[str]:
    """The measured files that the blocks of a config or page are made from."""
    names = [source for found in BLOCK.finditer(text) for source in CONTENTS[found["name"]].files]
    return [FILES[name].path for name in dict.fromkeys(names)]


@contextmanager
def _reading(path: Path, root: Path, *further: type[Exception]) -> Iterator[None]:
    """Name the text where one of the usual errors of reading, or of these further ones, is raised within."""
    try:
        yield
    except (OSError, UnicodeDecodeError, yaml.YAMLError, *further) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{path.relative_to(root)}: {said}; take it back from git") from error
