#!/usr/bin/env python
"""The pictures of a trained network as PNG and SVG, from its checkpoint alone; of two runs, how they compare.

python scripts/figures.py lightning_logs/q4_best/version_0
python scripts/figures.py lightning_logs/q4_best/version_0 lightning_logs/q4_best/version_1
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import replacing, write_whole
from cifar_mlp.common.run_folder import differing, read_run
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.pictures.comparison import compared_classes, compared_curves
from cifar_mlp.training.checkpoint_pictures import album, checkpoint_of

PAPER_DPI = 220


def draw_one(path: Path, which: str | None, output: Path | None) -> Path:
    """Every picture of one network; returns the folder they are in."""
    checkpoint = checkpoint_of(path, which)
    folder = output or (path / "figures" if path.is_dir() else path.with_name(f"{path.stem}_figures"))
    write(album(checkpoint), folder)
    return folder


def compare(paths: Sequence[Path], output: Path | None) -> Path:
    """Curves, settings and classes of two runs; returns the folder they are in."""
    first, second = runs = [read_run(path) for path in paths]
    folder = output or paths[0] / "figures" / f"against_{second.name.replace('/', '_')}"
    write([("curves", compared_curves([(run.name, run.curves) for run in runs]))], folder)
    classes = [(run.name, run.class_accuracy()) for run in runs]
    if all(accuracy for _, accuracy in classes):
        write([("class_accuracy", compared_classes(classes))], folder)
    rows = differing(first.settings, second.settings)
    write_whole(markdown.table(("setting", first.name, second.name), rows, words=3), folder / "settings.md")
    table = Table("setting", first.name, second.name, title="settings that differ")
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 120).print(table)
    return folder


def write(figures: Iterable[tuple[str, Figure]], folder: Path) -> None:
    """Each figure as PNG and as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures:
        for kind, options in (("png", {"dpi": PAPER_DPI}), ("svg", {"metadata": {"Date": None}})):
            with replacing(folder / f"{name}.{kind}") as unfinished:
                figure.savefig(unfinished, **options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw; a mistake is one line and exit code 1."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="one or two run folders; one may be a .ckpt")
    parser.add_argument("--which", choices=("best", "last"), help="checkpoint of a run's folder; default best, if any")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the figures; default RUN/figures")
    options = parser.parse_args(arguments)
    if len(options.runs) > 2:
        parser.error("one run or two")
    try:
        if len(options.runs) == 1:
            folder = draw_one(options.runs[0], options.which, options.output)
        else:
            folder = compare(options.runs, options.output)
    except (ValueError, OSError) as error:
        print(f"figures.py: {error}", file=sys.stderr)
        return 1
    print(f"written: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
