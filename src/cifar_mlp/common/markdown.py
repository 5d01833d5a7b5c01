"""Tables in Markdown."""

import re
from collections.abc import Iterable, Sequence

NUMBER = re.compile(r"[-+±\d.,%e ≥≈<]*(to [-+\d.]+)?")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int | None = 1) -> str:
    """A Markdown table, ending with a newline.

    Args:
        header: Name of each column.
        rows: Cells of each row, as many as there are columns; ``|`` in a cell is escaped.
        words: Number of leading columns that are left-aligned; the rest are right-aligned. ``None``: those whose
            cells are all numbers or intervals are right-aligned.

    Raises:
        ValueError: If a row has more or fewer cells than the header.
    """
    rows = list(rows)
    columns = range(len(header))
    left = [_has_words(rows, column) if words is None else column < words for column in columns]
    lines = [_line(header), _line(["---" if is_left else "--:" for is_left in left])]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(header)} columns: {list(row)}")
        lines.append(_line([cell.replace("|", "\\|") for cell in row]))
    return "\n".join(lines) + "\n"


def _has_words(rows: Sequence[Sequence[str]], column: int) -> bool:
    return not all(NUMBER.fullmatch(cell) for row in rows for cell in row[column : column + 1])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
