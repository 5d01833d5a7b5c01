"""The JSON files of measured numbers: each is checked before anything is made of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cifar_mlp.common.results import SCHEMA, Document

Measured = dict[str, Document]


class MeasuredFile(NamedTuple):
    """One file."""

    path: str  # below the repository's root
    says: dict[str, Any]  # what it must say of itself
    rows: str  # name of the list in it that must hold something
    command: str  # measures it again

    @property
    def remedy(self) -> str:
        """What to do when the file is no good."""
        return f"take it back from git, or measure it: {self.command}"


def _benchmark(job: str, rows: str, folder: str, name: str = "benchmark.json") -> MeasuredFile:
    command = f"python scripts/benchmark.py {job} --output {folder}"
    return MeasuredFile(f"{folder}/{name}", {"schema_version": 2, "benchmark": job}, rows, command)


FILES = {
    "results": MeasuredFile("docs/results.json", {"schema": SCHEMA}, "runs", "python scripts/reproduce.py --publish"),
    "record": MeasuredFile("docs/record.json", {"schema": 1}, "runs",
                           "scripts/fit.sh --config CONFIG, then python scripts/render_results.py --record RUN"),
    "ablation": MeasuredFile("docs/record/ablation.json", {"schema": 1}, "rows",
                             "python scripts/ablation.py --config record/cpu_2min --trainer.max_epochs 10"),
    "evidence": MeasuredFile("docs/parity/parity.json", {"schema_version": 4}, "rows",
                             "python scripts/parity.py compare --output docs/parity"),
    "parity": _benchmark("parity", "timings", "docs/parity"),
    "train": _benchmark("train", "implementations", "docs/performance/train"),
    "train-earlier": _benchmark("train", "implementations", "docs/performance/train", "earlier.json"),  # another CPU
    "pca": _benchmark("pca", "solvers", "docs/performance/pca"),
    "scaling": _benchmark("scaling", "points", "docs/performance/scaling"),
    "record-speed": _benchmark("record", "trainings", "docs/performance/record"),
    "processes": _benchmark("processes", "processes", "docs/performance/processes"),
}  # fmt: skip


def read_measured(root: Path) -> Measured:
    """The content of every file, by the names in ``FILES``.

    Args:
        root: The repository's.

    Raises:
        ValueError: For the first that is missing or is not what it should be; names it and the remedy.
    """
    return {name: _read(source, root) for name, source in FILES.items()}


@contextmanager
def blaming(names: Sequence[str]) -> Iterator[None]:
    """Whatever cannot be looked up within is missing in the files of these names.

    Raises:
        ValueError: Names the files and the remedies.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        files = ", ".join(FILES[name].path for name in names)
        remedies = "; ".join(FILES[name].remedy for name in names)
        raise ValueError(f"{files}: not what the tables need ({type(error).__name__}: {error}); {remedies}") from error


def _read(source: MeasuredFile, root: Path) -> Document:
    try:
        document: Document = json.loads((root / source.path).read_text())
        if not isinstance(document, dict):
            raise ValueError("no JSON object")
        for name, value in source.says.items():
            if document.get(name) != value:
                raise ValueError(f'"{name}" is {document.get(name)!r}, not {value!r}')
        if not isinstance(document.get(source.rows), list) or not document[source.rows]:
            raise ValueError(f'"{source.rows}" is no list, or empty')
    except OSError as error:
        raise ValueError(f"{source.path}: {error.strerror}; {source.remedy}") from error
    except ValueError as error:
        raise ValueError(f"{source.path}: {error}; {source.remedy}") from error
    return document
