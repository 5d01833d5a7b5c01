"""``cifar-mlp export``: a checkpoint as one file for other programs, run again before it is kept.

cifar-mlp export RUN --format onnx

The file takes uint8 images (N, channels, height, width), any number of them, and gives probabilities.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.cli.checkpoint_option import checkpoint_file
from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common.atomic_write import can_be_written, replacing
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.export.file_formats import FORMATS, Run
from cifar_mlp.export.images_to_probabilities import exportable
from cifar_mlp.export.int8 import Cost, measure, quantize, write_cost
from cifar_mlp.export.metadata import facts_of
from cifar_mlp.export.run_again import run_again
from cifar_mlp.pictures.predictions import predict
from cifar_mlp.training.checkpoint_data import data_of
from cifar_mlp.training.trained_network import read_network

COMPARED = 1_000  # images


def parser() -> OneLineParser:
    """The command line."""
    made = OneLineParser(prog="cifar-mlp export", description=__doc__)
    made.add_argument("checkpoint", metavar="CKPT", help="a checkpoint or a run's folder")
    made.add_argument("--format", choices=FORMATS, default="onnx", help="kind of file (default: onnx)")
    made.add_argument("--fold", action="store_true", help="merge scaling, PCA and whitening into the first layer")
    made.add_argument("--int8", action="store_true", help="weights of eight bits, onnx only; says what they cost")
    made.add_argument("--output", type=Path, metavar="FILE", help="default: the checkpoint's name with the suffix")
    made.add_argument("--data.root", dest="root", metavar="DIR", help="the images; default as for cifar-mlp test")
    return made


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str] | None = None) -> None:
    """Export; a mistake is one line and exit code 1."""
    options = parser().parse_args(arguments)
    with errors_in_one_line():
        export(options)


def export(options: argparse.Namespace) -> None:
    """Write the file, run it again, and keep it if it is the same network.

    Raises:
        ValueError: For what cannot be exported, a missing package, or a file that gives other probabilities.
        FileNotFoundError: Without the checkpoint; with ``--int8`` without test images too.
    """
    chosen = FORMATS[options.format]
    if options.int8 and options.format != "onnx":
        raise ValueError(f"--int8 needs --format onnx, not {options.format}: ONNX Runtime makes it")
    chosen.require_packages()
    path = checkpoint_file(options.checkpoint, None, training=False)
    output = options.output or Path(path.name).with_suffix(chosen.suffix)
    if not can_be_written(output):
        raise ValueError(f"--output {output} cannot be written: name a file in a folder that exists")
    if output.suffix != chosen.suffix:
        raise ValueError(f"--output {output}: the name of a file of --format {options.format} ends in {chosen.suffix}")
    content, model = read_network(path)
    module = exportable(model, options.fold)
    facts = facts_of(content, path, model, module)
    images, labels = test_images(content, options.root, facts["image_shape"])
    if options.int8 and labels is None:
        raise FileNotFoundError("--int8 counts on the test images what it costs: name them by --data.root")
    if labels is not None:
        counted = float(predict(model, images, labels).correct.double().mean())
        facts["accuracy"] = {"test/accuracy": counted, **(facts["accuracy"] or {})}
    with replacing(output) as unfinished:
        example = torch.zeros_like(images[:2])  # pt2 keeps it, and of a view of the test images it would keep all
        chosen.write(module, example, facts, unfinished)
        found = run_again(model, chosen.reader(unfinished), images[:COMPARED])
        found.require()
        told = f"{output}: {_size(unfinished)}"
        which = "images of drawn bytes" if labels is None else "test images"
        again = (
            f"run again on {found.images:,} {which}: the same classes, {found}, "
            f"{found.images_per_second:,.0f} images/s on {_threads()}"
        )
        if options.int8 and labels is not None:
            print(f"in float32: {_size(unfinished)}, {again}", flush=True)
            again = to_int8(unfinished, chosen.reader, images, labels)
            told = f"{output}: {_size(unfinished)} in int8"
    print(f"{told}, {again}", flush=True)


def to_int8(path: Path, reader: Callable[[Path], Run], images: Tensor, labels: Tensor) -> str:
    """Quantize a file in its place; what that costs on all test images, in words.

    Raises:
        ValueError: If it costs too much.
    """
    before = measure(reader(path), images, labels)
    with replacing(path) as target:
        quantize(path, target)
        after = measure(reader(target), images, labels)
        same = float((after.predicted == before.predicted).double().mean())
        cost = Cost(len(labels), after.accuracy, before.accuracy, same)
        cost.require()
        write_cost(cost, target)
    return (
        f"run on all {cost.images:,} test images: {100 * cost.accuracy:.2f} % right, in float32 "
        f"{100 * cost.float32_accuracy:.2f} %, {100 * same:.1f} % of the images in the same class; "
        f"{after.images_per_second:,.0f} images/s, in float32 {before.images_per_second:,.0f}, on {_threads()}"
    )


def test_images(content: dict[str, Any], root: str | None, shape: Sequence[int]) -> tuple[Tensor, Tensor | None]:
    """All test images and their labels; 1,000 of drawn bytes without labels where they are not on this machine.

    Args:
        content: The checkpoint.
        root: Where they are; ``None``: as the checkpoint or the environment says.
        shape: Channels, height and width.
    """
    try:
        data = data_of(content, **({} if root is None else {"root": root}))
        return data.source.load(data.root, "test", data.seed)
    except (FileNotFoundError, ValueError) as error:
        if root is not None:
            raise
        print(f"no test images ({error}): bytes are drawn instead", flush=True)
    drawn = torch.randint(0, 256, (COMPARED, *shape), generator=torch.Generator().manual_seed(0))
    return drawn.to(torch.uint8), None


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"


def _threads() -> str:
    count = torch.get_num_threads()
    return "1 thread" if count == 1 else f"{count} threads"
