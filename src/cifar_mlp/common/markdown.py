"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table, ending with a newline.

    Args:
        header: Name of each column.
        rows: Cells of each row, as many as there are columns; ``|`` in a cell is escaped.
        words: Number of leading columns that are left-aligned; the rest are right-aligned.

    Raises:
        ValueError: If a row has more or fewer cells than the header.
    """
    rule = [("---" if column < words else "--:") for column in range(len(header))]
    lines = [_line(header), _line(rule)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(header)} columns: {list(row)}")
        lines.append(_line([cell.replace("|", "\\|") for cell in row]))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
