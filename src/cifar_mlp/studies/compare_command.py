"""``cifar-mlp compare``: two runs or studies on the same images.

cifar-mlp compare RUN RUN               on the validation images; out-of-fold where both are cross-validations
cifar-mlp compare RUN STUDY --on test   on the test images, for a final number
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from torch import Tensor

from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import replacing, write_whole
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.pictures.style import pixels, png, save
from cifar_mlp.pictures.tiles import Caption, gallery
from cifar_mlp.studies.difference import mcnemar, over_images, over_seeds
from cifar_mlp.studies.groups import Group, read_group, require_same_images
from cifar_mlp.studies.members import TEST, VALIDATION
from cifar_mlp.studies.study import require_folder

SHOWN = 30  # images of each kind


def parser() -> OneLineParser:
    """The command line."""
    made = OneLineParser(prog="cifar-mlp compare", description=__doc__)
    made.add_argument("first", type=Path, metavar="A", help="a checkpoint, a run's folder or a study's")
    made.add_argument("second", type=Path, metavar="B", help="the same")
    made.add_argument("--on", choices=(VALIDATION, TEST), default=VALIDATION, help="images (default: validation)")
    made.add_argument("--output", type=Path, default=Path("comparison"), metavar="DIR", help="default: comparison")
    return made


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str]) -> None:
    """Compare; a mistake is one line and exit code 1."""
    options = parser().parse_args(arguments)
    with errors_in_one_line():
        require_folder(options.output)
        first, second = (read_group(path, options.on) for path in (options.first, options.second))
        require_same_images(first, second)
        text = report(first, second, options.on)
        options.output.mkdir(parents=True, exist_ok=True)
        write_whole(text, options.output / "comparison.md")
        write_differing(first, second, options.output / "differences.csv")
        draw_differing(first, second, options.output)
        Console(width=None if sys.stdout.isatty() else 140).print(text, markup=False, highlight=False, soft_wrap=True)
        print(f"written: comparison.md, differences.csv and pictures in {options.output}", flush=True)


def report(first: Group, second: Group, which: str) -> str:
    """What was found, in Markdown."""
    lines = [f"# {which}: {len(first.labels):,} images\n", f"A: {_told(first)}\nB: {_told(second)}\n"]
    lines.append(f"A less B, over images like these: {over_images(first.right, second.right)} (paired bootstrap)")
    seeds = over_seeds(first, second)
    if seeds is not None:
        lines.append(f"A less B, over seeds, on these images: {seeds} (paired by seed, Student)")
    if first.runs == second.runs == 1 or not (first.by_seed or second.by_seed):
        found = mcnemar(first.right, second.right)
        lines.append(
            f"right in A alone {found.only_first:,}, in B alone {found.only_second:,}: McNemar's exact test, "
            f"p = {found.p_value:.2g}"
        )
    rows = []
    for label, name in enumerate(first.class_names):
        of_class = first.labels == label
        if of_class.any():
            right = first.right[of_class], second.right[of_class]
            found_here = over_images(*right)
            shares = (f"{100 * float(part.mean()):.1f}" for part in right)
            rows.append([name, *shares, f"{found_here.mean:+.1f}", f"{found_here.low:+.1f} to {found_here.high:+.1f}"])
    note = f"With {len(rows)} classes, one interval in 20 leaves out the true difference by chance.\n"
    heads = ("class", "A, %", "B, %", "A less B", "95 % interval")
    return "\n".join(lines) + "\n\n" + markdown.table(heads, rows, words=1) + "\n" + note


def _told(group: Group) -> str:
    runs = "" if group.runs == 1 else f", mean of {group.runs} runs"
    return f"{group.name}: {100 * float(group.right.mean()):.2f} %{runs}"


def differing(first: Group, second: Group) -> Tensor:
    """Places of the images on which the groups differ, the clearest first."""
    gap = (first.right - second.right).abs()
    return gap.argsort(descending=True, stable=True)[: int((gap > 0).sum())]


def write_differing(first: Group, second: Group, path: Path) -> None:
    """Every image on which they differ."""
    names = first.class_names
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(["image", "class", "A predicts", "B predicts", "A, share right", "B, share right"])
        for place in differing(first, second).tolist():
            labels = (first.labels[place], first.predicted[place], second.predicted[place])
            shares = (first.right[place], second.right[place])
            writer.writerow(
                [
                    int(first.indices[place]),
                    *(names[int(label)] for label in labels),
                    *(f"{float(s):.2f}" for s in shares),
                ]
            )


def draw_differing(first: Group, second: Group, folder: Path) -> None:
    """``better_in_a.png`` and ``better_in_b.png``: the images on which they differ most."""
    places, names = differing(first, second), first.class_names
    for better, worse, letters in ((first, second, "AB"), (second, first, "BA")):
        chosen = places[better.right[places] > worse.right[places]][:SHOWN]
        if len(chosen) == 0:
            continue
        captions = [
            Caption(names[int(first.labels[place])], f"{letters[1]}: {names[int(worse.predicted[place])]}")
            for place in chosen.tolist()
        ]
        figure = gallery(
            first.images[chosen], min(10, len(chosen)), f"Right in {letters[0]} rather than in {letters[1]}", captions,
            note=f"Black: true class. Orange: what {letters[1]} predicts.",
        )  # fmt: skip
        save(png(pixels(figure)), folder / f"better_in_{letters[0].lower()}.png")
