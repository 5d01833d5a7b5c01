"""A benchmark on the console and on paper."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.json_rows import write_json_rows
from cifar_mlp.common.machine_share import cores
from cifar_mlp.common.provenance import environment
from cifar_mlp.reports.performance_tables import TextTable, markdown

PACKAGES = ("lightning", "torchvision", "scikit-learn", "skorch", "keras", "jax")
"""What the harnesses stand on, besides PyTorch and NumPy."""


def show_progress(step: str) -> None:
    """A line on standard error, with the time."""
    print(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {step}", file=sys.stderr, flush=True)


@dataclass
class Report:
    """What one job found.

    Attributes:
        job: Its name.
        title: The page's.
        document: Everything measured, plain JSON types.
        tables: The same to be read.
        output: Folder to write to.
        pictures: File names of pictures in the folder, for the page.
    """

    job: str
    title: str
    document: dict[str, Any]
    tables: list[TextTable]
    output: Path | None
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        device = self.document.get("problem", {}).get("device", "cpu")
        surroundings = environment((device,), self.document.get("problem", {}).get("seed", 0))
        surroundings["threads"] = self.document.get("problem", {}).get("threads", surroundings["threads"])
        self.document["environment"] = {**surroundings, "cores": cores(), "packages": versions()}

    def show(self) -> None:
        """Print the tables."""
        console = Console(width=None if sys.stdout.isatty() else 160)
        for table in self.tables:
            shown = Table(title=table.title)
            for number, name in enumerate(table.header):
                shown.add_column(name, justify="left" if number < table.words else "right")
            for row in table.rows:
                shown.add_row(*row)
            console.print(shown)
        for line in self.document.get("not_run", ()):
            print(line)

    def write(self) -> None:
        """``benchmark.json`` and ``benchmark.md`` into the folder."""
        assert self.output is not None
        self.output.mkdir(parents=True, exist_ok=True)
        write_json_rows(self.output / "benchmark.json", self.document, ())
        lines = [f"# {self.title}", ""]
        for table in self.tables:
            lines += markdown(table)
        lines += [f"![{self.title}]({name})" for name in self.pictures]
        lines += ["", *self.document.get("not_run", ()), ""]
        lines += [f"- {key}: {value}" for key, value in self.document["environment"].items()]
        write_whole("\n".join(lines) + "\n", self.output / "benchmark.md")
        print(f"written: {self.output}")


def versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
