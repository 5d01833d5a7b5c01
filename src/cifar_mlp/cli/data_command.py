"""``cifar-mlp data``: where a set of images is, whether it is complete, and what it looks like."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from cifar_mlp.cli.parser import OTHER_COMMANDS, errors_in_one_line, fail
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.data.cifar import CIFARFiles
from cifar_mlp.data.download.whole_archive import MIRROR_VARIABLE
from cifar_mlp.data.forms.batch_files import PARTS, Part
from cifar_mlp.data.forms.published import DIFFERS, FoundPart
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE, locate
from cifar_mlp.data.regular_files import is_regular
from cifar_mlp.data.sources import SOURCES, Source
from cifar_mlp.pictures.contact_sheet import A_CLASS, contact_sheet
from cifar_mlp.pictures.style import pixels, png, save

MEGABYTE = 1e6


class DataParser(argparse.ArgumentParser):
    """Takes the options of ``fit`` with their ``data.`` or without it; a mistake is one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and stop."""
        hint = "; a path follows --root, a set --source" if message.startswith("unrecognized arguments") else ""
        fail(message + hint, 2)


def data_parser() -> DataParser:
    """What the command takes."""
    parser = DataParser("cifar-mlp data", description=OTHER_COMMANDS["data"], allow_abbrev=False)
    parser.add_argument(
        "--source",
        choices=[name for name in SOURCES if name != "folder"],
        default="cifar10",
        help="the set; default %(default)s",
    )
    parser.add_argument(
        "--root", metavar="PATH", help=f"the set in any form; default: {ROOT_VARIABLE}, else the usual places"
    )
    parser.add_argument(
        "--download", action="store_true", help="download what is not complete, to the root or to data/"
    )
    parser.add_argument("--mirror", metavar="URL", help=f"download from there first; default: {MIRROR_VARIABLE}")
    parser.add_argument(
        "--sheet", metavar="FILE", help=f"PNG of {A_CLASS} images a class; default SOURCE.png; none: no picture"
    )
    return parser


@answering_interrupts("cifar-mlp")
def main(arguments: Sequence[str]) -> None:
    """Run the command; what is missing, damaged or mistaken is one line and exit code 1 or 2.

    Args:
        arguments: As typed after ``cifar-mlp data``.
    """
    with errors_in_one_line():
        look_at_data(data_parser().parse_args([re.sub(r"^--data\.", "--", argument) for argument in arguments]))


def look_at_data(options: argparse.Namespace) -> None:
    """Describe and picture the set; exits with a line if a part is missing or damaged, after the other is described.

    Raises:
        OSError, ValueError: For options that cannot be, a failed download, or a picture that cannot be written.
    """
    if options.mirror is not None and not options.download:
        raise ValueError("--mirror is where --download goes first: give both")
    source, path = SOURCES[options.source], Path(options.sheet or f"{options.source}.png").expanduser()
    if options.sheet != "none":
        _require_png(path)
    if options.download and isinstance(source, CIFARFiles):
        source.fetch(options.root, options.mirror)
    found: dict[Part, tuple[Tensor, Tensor]] = {}
    problems: list[str] = []
    for part in PARTS:
        try:
            if isinstance(source, CIFARFiles):
                read = source.read(options.root, part)
                found[part], words = (read.images, read.labels), _described(read, options.root)
                if read.checked == DIFFERS:
                    problems.append(f"{part} images from {read.form.path}: {read.checked}")
            else:
                source.prepare(options.root, part)
                found[part], words = source.load(options.root, part, 0), "as scikit-learn brings them"
            print(f"{part}: {len(found[part][1]):,} images, {words}", flush=True)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if "train" in found and options.sheet != "none":
        title = f"{options.source}: the first {A_CLASS} training images of each class"
        _write(png(pixels(contact_sheet(*found["train"], source.class_names, title))), path)
    if problems:
        whole_line = "; ".join([*dict.fromkeys(problems), *_remedy(source, options.root)])
        fail(" ".join(whole_line.split()), 1)  # names every file that is missing, however many


def _described(found: FoundPart, root: str | None) -> str:
    given_by = locate(root).given_by
    how = "found in a usual place" if given_by is None else f"named by {given_by}"
    return f"{found.form.words} in {found.form.path} ({how}): {found.checked}"


def _remedy(source: Source, root: str | None) -> list[str]:
    folder = locate(root).path
    if not isinstance(source, CIFARFiles) or (folder.exists() and not folder.is_dir()):
        return []
    return [f"the same command with --download fetches it, {source.archive.length / MEGABYTE:.0f} MB, to {folder}/"]


def _require_png(path: Path) -> None:
    """Refuse a picture's name before the images are read."""
    if path.suffix.lower() != ".png":
        raise ValueError(f"--sheet {path} must be the name of a PNG file, ending in .png")
    if path.exists() and not is_regular(path):
        raise ValueError(f"--sheet {path} is there and is no file: name another")


def _write(content: bytes, path: Path) -> None:
    """Write the picture; one that is there and differs stays."""
    if path.exists() and path.read_bytes() != content:
        raise FileExistsError(f"--sheet {path} is there and holds something else: move it, or name another file")
    try:
        save(content, path)
    except OSError as error:
        raise OSError(f"--sheet {path} cannot be written ({error.strerror or error})") from error
    print(f"{A_CLASS} images a class: {path}", flush=True)
