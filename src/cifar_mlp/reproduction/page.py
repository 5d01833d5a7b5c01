"""The report's Markdown as one HTML file that needs nothing else."""

import base64
import html
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
h3{font-size:1.05rem}table{display:block;overflow-x:auto;border-collapse:collapse;font-size:.88rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td{font-variant-numeric:tabular-nums}img{max-width:100%;height:auto}small{color:#444}
code{background:#f2f2f2;padding:0 .2em;border-radius:3px;overflow-wrap:anywhere}
.good{color:#00664b}.fair{color:#8a5a00}.bad{color:#a33c00}
"""
# Verdicts are coloured too, in colours that colour-blind readers can distinguish
CLASS_OF = {"reproduced": "good", "holds": "good", "not reproduced": "bad", "does not hold": "bad",
            "within the noise of 1,000 images": "fair", "inconclusive": "fair"}  # fmt: skip


def as_html(text: str, folder: Path) -> str:
    """The page: styles and pictures inside, no script, nothing loaded from elsewhere.

    Args:
        text: The report in Markdown; its first line is the title.
        folder: Where the paths of its PNG pictures start.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _picture)
    tokens = parser.parse(text)
    for cell, content in pairwise(tokens):
        if cell.type == "td_open" and content.content in CLASS_OF:
            cell.attrSet("class", CLASS_OF[content.content])
    title = text.partition("\n")[0].lstrip("# ")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'  # else a browser asks for one
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{parser.renderer.render(tokens, parser.options, {'folder': folder})}</body>\n</html>\n"
    )


def _picture(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: dict[str, Path]) -> str:
    data = base64.b64encode((env["folder"] / str(tokens[index].attrs["src"])).read_bytes()).decode()
    caption = html.escape(tokens[index].content)
    return f'<img alt="{caption}" src="data:image/png;base64,{data}"><br><small>{caption}</small>'
