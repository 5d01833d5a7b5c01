"""``cifar-mlp export``: a checkpoint as one file for other programs, run again before it is kept.

cifar-mlp export RUN --format onnx

The file takes uint8 images (N, channels, height, width), any number of them, and gives probabilities.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.cli.checkpoint_option import checkpoint_file
from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common.atomic_write import replacing
from cifar_mlp.common.script_parser import OneLineParser
from cifar_mlp.common.stopped import answering_interrupts
from cifar_mlp.export.facts import facts_of
from cifar_mlp.export.file_formats import FORMATS
from cifar_mlp.export.images_to_probabilities import exportable
from cifar_mlp.export.run_again import TOLERANCE, run_again
from cifar_mlp.training.checkpoint import is_of_this_package, module_class, read_checkpoint
from cifar_mlp.training.checkpoint_data import data_of

COMPARED = 1_000  # images


def parser() -> OneLineParser:
    """The command line."""
    made = OneLineParser(
        prog="cifar-mlp export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip
    made.add_argument("checkpoint", metavar="CKPT", help="a checkpoint or a run's folder")
    made.add_argument("--format", choices=FORMATS, default="onnx", help="kind of file (default: onnx)")
    made.add_argument("--fold", action="store_true", help="merge scaling, PCA and whitening into the first layer")
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
    """
    chosen = FORMATS[options.format]
    chosen.require_packages()
    path = checkpoint_file(options.checkpoint, None, training=False)
    output = options.output or Path(path.name).with_suffix(chosen.suffix)
    if not output.parent.is_dir():
        raise ValueError(f"--output {output}: the folder does not exist")
    content = read_checkpoint(str(path))
    if not is_of_this_package(content):
        raise ValueError(f"{path} holds a LightningModule from elsewhere: torch.onnx.export takes it")
    model = module_class(content).load_from_checkpoint(path, map_location="cpu", weights_only=True).float().eval()
    module = exportable(model, options.fold)
    images, which = images_to_compare(content, options.root)
    with replacing(output) as unfinished:
        chosen.write(module, images[:2], facts_of(content, path, model, module), unfinished)
        found = run_again(model, chosen.reader(unfinished), images)
        found.require()
        size = unfinished.stat().st_size
    print(
        f"{output}: {size / 1e6:.2f} MB. Run again on {found.images:,} {which}: the same classes, probabilities within "
        f"{found.difference:.1e} (tolerance {TOLERANCE:.0e}), {found.images_per_second:,.0f} images/s on "
        f"{torch.get_num_threads()} threads",
        flush=True,
    )


def images_to_compare(content: dict[str, Any], root: str | None) -> tuple[Tensor, str]:
    """The first test images, and what they are in words; drawn bytes where the set does not lie on this machine."""
    data = data_of(content, **({} if root is None else {"root": root}))
    try:
        images = data.source.load(data.root, "test", data.seed)[0][:COMPARED]
        return images, "test images"
    except FileNotFoundError as error:
        if root is not None:
            raise
        print(f"no test images ({error}): bytes are drawn instead", flush=True)
    shape = data.source.image_shape
    drawn = torch.randint(0, 256, (COMPARED, *shape), generator=torch.Generator().manual_seed(0))
    return drawn.to(torch.uint8), "images of drawn bytes"
