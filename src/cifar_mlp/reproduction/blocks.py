"""A report as a list of blocks, written as Markdown or as one HTML file that needs nothing else."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cifar_mlp.common import markdown


class Heading(NamedTuple):
    """A title; level 1 is the report's own."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph of plain words; what stands between ` is code, between ** bold."""

    text: str


class TableBlock(NamedTuple):
    """Rows under a header; columns of numbers stand right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    """A PNG file and what it shows."""

    path: Path
    caption: str


Block = Heading | Text | TableBlock | Picture

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
h3{font-size:1.05rem}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.number,th.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
figure{margin:1.5rem 0}img{max-width:100%;height:auto}figcaption{font-size:.88rem;color:#444}
code{background:#f2f2f2;padding:0 .2em;border-radius:3px;overflow-wrap:anywhere}
@media(max-width:40rem){thead{display:none}table,tbody,tr{display:block}
tr{padding:.4rem 0;border-bottom:2px solid #bbb}
td,td.number{display:flex;justify-content:space-between;gap:1rem;text-align:right;white-space:normal;border:0;
padding:.1rem 0}td::before{content:attr(data-label);color:#555;text-align:left}td:first-child{font-weight:600}}
.good{color:#00664b}.fair{color:#8a5a00}.bad{color:#a33c00}
"""
# Words that carry a verdict are coloured too, in colours that colour-blind readers can distinguish
CLASS_OF = {"reproduced": "good", "holds": "good", "not reproduced": "bad", "does not hold": "bad",
            "within the noise of 1,000 images": "fair", "inconclusive": "fair"}  # fmt: skip
NUMBER = re.compile(r"^[-+±−\d.,%e ≥≈<]*(to [-+−\d.]+)?$")


def as_markdown(blocks: Sequence[Block], below: Path) -> str:
    """The report in Markdown.

    Args:
        blocks: Of the report.
        below: Folder of the file, which pictures are named from.
    """
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            lines += [f"{'#' * block.level} {block.text}", ""]
        elif isinstance(block, Text):
            lines += [block.text, ""]
        elif isinstance(block, TableBlock):
            lines += [markdown.table(block.header, block.rows, words=len(block.header))]
        else:
            lines += [f"![{block.caption}]({block.path.relative_to(below).as_posix()})", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_html(blocks: Sequence[Block]) -> str:
    """The report as one page: styles and pictures inside, no script, nothing loaded from elsewhere."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'  # else a browser asks for one
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(map(_block, blocks))
        + "\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_inline(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return f"<p>{_inline(block.text)}</p>"
    if isinstance(block, TableBlock):
        return _table(block)
    data = base64.b64encode(block.path.read_bytes()).decode()
    caption = html.escape(block.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def _table(table: TableBlock) -> str:
    numeric = [all(NUMBER.match(row[place]) for row in table.rows) for place in range(len(table.header))]

    def cells(tag: str, row: Sequence[str]) -> str:
        made = []
        for name, text, number in zip(table.header, row, numeric, strict=True):
            kind = "number" if number else CLASS_OF.get(text, "")
            about = f' data-label="{html.escape(name)}"' if tag == "td" else ""  # a narrow screen shows no header
            about += f' class="{kind}"' if kind else ""
            made.append(f"<{tag}{about}>{_inline(text)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    body = "\n".join(cells("td", row) for row in table.rows)
    head = cells("th", table.header)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    escaped = re.sub(r"`([^`]*)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped)
