"""A table of words and numbers, and how a spread stands in it."""

from collections.abc import Sequence
from typing import NamedTuple

from cifar_mlp.common import markdown
from cifar_mlp.common.results import Row
from cifar_mlp.common.spread import Spread


class TextTable(NamedTuple):
    """A table of words; the first ``words`` columns are left-aligned, the rest are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[list[str]]
    words: int = 1

    def markdown(self) -> str:
        """The title, then the table."""
        return f"{self.title}:\n\n{markdown.table(self.header, self.rows, self.words)}\n"


def find_row(rows: Sequence[Row], **wanted: str) -> Row | None:
    """The first row with these values, such as ``precision="float32"``; ``None`` if it was not measured."""
    return next((row for row in rows if wanted.items() <= row.items()), None)


def with_range(found: Spread, form: str) -> str:
    """Median, and smallest and largest in brackets."""
    return f"{found.median:{form}} ({found.range[0]:{form}} to {found.range[1]:{form}})"


def with_quartiles(found: Spread, form: str) -> str:
    """Median, and quartiles in brackets."""
    low, high = found.quartiles
    return f"{found.median:{form}} ({low:{form}} to {high:{form}})"
