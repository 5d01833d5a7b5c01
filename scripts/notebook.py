#!/usr/bin/env python
"""docs/tutorial.ipynb from docs/tutorial.md: the same text and commands, for a notebook in a browser.

python scripts/notebook.py         # write the cells again; outputs of unchanged cells stay
python scripts/notebook.py --run   # run them too, in an empty folder, and keep what they print and draw
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from cifar_mlp.common.atomic_write import write_whole

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
NOTEBOOK = PAGE.with_suffix(".ipynb")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n|^<!-- notebook\n(.*?)^-->\n", re.M | re.S)
PAGE_ALONE = re.compile(r"^<!-- page -->\n.*?^<!-- /page -->\n", re.M | re.S)
# A notebook has the package, not the clone.
INSTEAD = {
    "scripts/fit.sh": "python -m cifar_mlp.cli.fit_and_test",
    "configs/quickstart.yaml": "quickstart",
}
SKIPPED = "skip-execution"  # the tag by which nbclient leaves out a cell: a server


def cells_of(page: str) -> list[nbformat.NotebookNode]:
    """The notebook's cells, without outputs."""
    made, start = [], 0
    page = PAGE_ALONE.sub("", page)
    for block in BLOCK.finditer(page):
        made += _prose(page[start : block.start()])
        start = block.end()
        language, text, hidden = block.groups()
        if language != "text":  # what a cell prints stands below it
            made.append(nbformat.v4.new_code_cell(_code(language or "python", (text or hidden).rstrip())))
    made += _prose(page[start:])
    for number, cell in enumerate(made):
        cell["id"] = f"cell-{number}"
        if "%tensorboard" in cell["source"]:
            cell["metadata"]["tags"] = [SKIPPED]
    return made


def _prose(text: str) -> list[nbformat.NotebookNode]:
    return [nbformat.v4.new_markdown_cell(text.strip())] if text.strip() else []


def _code(language: str, text: str) -> str:
    if language == "bash":
        for of_page, of_notebook in INSTEAD.items():
            text = text.replace(of_page, of_notebook)
        if text.startswith("tensorboard "):
            return f"%load_ext tensorboard\n%{text}"
        return f"%%bash\n{text}"
    file = re.match(r"# ([\w.]+\.(?:py|yaml))\n", text)
    return f"%%writefile {file[1]}\n{text[file.end() :]}" if file else text


def notebook_of(page: str) -> nbformat.NotebookNode:
    """The notebook, without outputs."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells_of(page), metadata={"kernelspec": kernel})
    made["nbformat_minor"] = 5
    return made


def keep_outputs(made: nbformat.NotebookNode, before: nbformat.NotebookNode) -> None:
    """Copy the outputs of cells whose source has not changed."""
    known = {cell["source"]: cell for cell in before["cells"] if cell["cell_type"] == "code"}
    for cell in made["cells"]:
        if cell["cell_type"] == "code" and cell["source"] in known:
            old = known[cell["source"]]
            cell["outputs"], cell["execution_count"] = old["outputs"], old["execution_count"]


def run(made: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in a folder, outputs into the notebook; an error in a cell raises."""
    commands = os.pathsep.join([f"{sys.prefix}/bin", os.environ["PATH"]])  # cifar-mlp, where no environment is active
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(made, timeout=1200, coalesce_streams=True, resources=place)
    client.execute(env=os.environ | {"PATH": commands})
    for cell in made["cells"]:
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = output["text"].replace(f"{sys.prefix}/bin/", "").replace(f"{folder}/", "")


def main(arguments: list[str] | None = None) -> int:
    """Write the notebook."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="run the cells, and keep their outputs")
    options = parser.parse_args(arguments)
    made = notebook_of(PAGE.read_text())
    if options.run:
        with tempfile.TemporaryDirectory() as folder:
            run(made, Path(folder))
    elif NOTEBOOK.is_file():
        keep_outputs(made, nbformat.read(NOTEBOOK, as_version=4))
    nbformat.validate(made)
    write_whole(nbformat.writes(made) + "\n", NOTEBOOK)
    print(f"written: {NOTEBOOK}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
