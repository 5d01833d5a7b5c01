"""``cifar-mlp compare``: two or more runs or studies on the same images, each pair.

cifar-mlp compare RUN RUN               on the validation images; out-of-fold where both are cross-validations
cifar-mlp compare RUN STUDY --on test   on the test images, for a final number
"""

import csv
import string
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations, permutations
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import replacing, write_whole
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.pictures.style import save_figure
from cifar_mlp.pictures.tiles import Caption, gallery
from cifar_mlp.studies.difference import mcnemar, over_images, over_seeds
from cifar_mlp.studies.groups import Group, read_group, require_same_images
from cifar_mlp.studies.members import TEST, VALIDATION
from cifar_mlp.studies.study import require_folder

SHOWN = 30  # images of each kind
Groups = Mapping[str, Group]  # by letter, from A


def parser() -> OneLineParser:
    """The command line."""
    made = OneLineParser(prog="cifar-mlp compare", description=__doc__)
    made.add_argument("paths", type=Path, nargs="+", metavar="RUN", help="a checkpoint, a run's folder or a study's")
    made.add_argument("--on", choices=(VALIDATION, TEST), default=VALIDATION, help="images (default: validation)")
    made.add_argument("--output", type=Path, default=Path("comparison"), metavar="DIR", help="default: comparison")
    return made


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str]) -> None:
    """Compare; a mistake is one line and exit code 1."""
    made = parser()
    options = made.parse_args(arguments)
    if not 2 <= len(options.paths) <= len(string.ascii_uppercase):
        made.error(f"give two RUNs or more, at most {len(string.ascii_uppercase)}, not {len(options.paths)}")
    with errors_in_one_line():
        require_folder(options.output)
        lettered = zip(string.ascii_uppercase, options.paths, strict=False)
        groups = {letter: read_group(path, options.on) for letter, path in lettered}
        for group in groups.values():
            require_same_images(groups["A"], group, options.on)
        text = report(groups, options.on)
        options.output.mkdir(parents=True, exist_ok=True)
        write_whole(text, options.output / "comparison.md")
        write_differing(groups, options.output / "differences.csv")
        for earlier in options.output.glob("?_rather_than_?.png"):
            earlier.unlink()
        for better, worse in permutations(groups, 2):
            draw_differing(groups, better, worse, options.output)
        Console(width=None if sys.stdout.isatty() else 140).print(text, markup=False, highlight=False, soft_wrap=True)
        print(f"written: comparison.md, differences.csv and pictures in {options.output}", flush=True)


def report(groups: Groups, which: str) -> str:
    """What was found, in Markdown: the groups, then each pair, all images and class by class.

    Args:
        groups: By letter.
        which: ``validation`` or ``test``.
    """
    told = "".join(f"{letter}: {_told(group)}\n" for letter, group in groups.items())
    pairs = [_pair(groups, *pair) for pair in combinations(groups, 2)]
    classes = len(groups["A"].seen.labels.unique())
    count = f"{len(pairs)} pairs and {classes} classes" if len(pairs) > 1 else f"{classes} classes"
    note = f"With {count}, one interval in 20 leaves out the true difference by chance.\n"
    return "\n".join([f"# {which}: {len(groups['A'].right):,} images\n", told, *pairs, note])


def _pair(groups: Groups, one: str, other: str) -> str:
    first, second = groups[one], groups[other]
    lines = [f"{one} less {other}, over images like these: {over_images(first.right, second.right)} (paired bootstrap)"]
    seeds = over_seeds(first, second)
    if seeds is not None:
        count = len(first.by_seed.keys() & second.by_seed.keys())
        lines.append(f"{one} less {other}, over seeds, on these images: {seeds} (paired by {count} seeds, Student)")
    if first.runs == second.runs == 1 or not (first.by_seed or second.by_seed):
        found = mcnemar(first.right, second.right)
        lines.append(
            f"right in {one} alone {found.only_first:,}, in {other} alone {found.only_second:,}: McNemar's exact test, "
            f"p = {found.p_value:.2g}"
        )
    rows = []
    for label, name in enumerate(first.class_names):
        of_class = first.seen.labels == label
        if of_class.any():
            right = first.right[of_class], second.right[of_class]
            found_here = over_images(*right)
            shares = (f"{100 * float(part.mean()):.1f}" for part in right)
            rows.append([name, *shares, f"{found_here.mean:+.1f}", f"{found_here.low:+.1f} to {found_here.high:+.1f}"])
    heads = ("class", f"{one}, %", f"{other}, %", f"{one} less {other}", "95 % interval")
    return "\n".join(lines) + "\n\n" + markdown.table(heads, rows, words=1)


def _told(group: Group) -> str:
    runs = "" if group.runs == 1 else f", mean of {group.runs} runs"
    return f"{group.name}: {100 * float(group.right.mean()):.2f} %{runs}"


def differing(groups: Sequence[Group]) -> Tensor:
    """Places of the images on which any two differ, the clearest first."""
    right_GN = torch.stack([group.right for group in groups])
    gap_N = right_GN.amax(0) - right_GN.amin(0)
    return gap_N.argsort(descending=True, stable=True)[: int((gap_N > 0).sum())]


def write_differing(groups: Groups, path: Path) -> None:
    """Every image on which any two differ."""
    first, members = groups["A"], list(groups.values())
    names = first.class_names
    answers = [first.seen.labels, *(group.predicted for group in members)]  # each over all images at once
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        told = [f"{letter}{what}" for what in (" predicts", ", share right") for letter in groups]
        writer.writerow(["image", "class", *told])
        for place in differing(members).tolist():
            labels = (int(one[place]) for one in answers)
            shares = (f"{float(group.right[place]):.2f}" for group in members)
            writer.writerow([int(first.seen.indices[place]), *(names[label] for label in labels), *shares])


def draw_differing(groups: Groups, one: str, other: str, folder: Path) -> None:
    """``a_rather_than_b.png``: the images on which one is right most clearly and the other is not."""
    better, worse, names = groups[one], groups[other], groups[one].class_names
    places = differing([better, worse])
    chosen = places[better.right[places] > worse.right[places]][:SHOWN]
    if len(chosen) == 0:
        return
    true, predicted = better.seen.labels[chosen].tolist(), worse.predicted[chosen].tolist()
    captions = [Caption(names[right], f"{other}: {names[wrong]}") for right, wrong in zip(true, predicted, strict=True)]
    figure = gallery(
        better.seen.images[chosen], min(10, len(chosen)), f"Right in {one} rather than in {other}", captions,
        note=f"Black: true class. Orange: what {other} predicts.",
    )  # fmt: skip
    save_figure(figure, folder / f"{one.lower()}_rather_than_{other.lower()}.png")
