"""An image file of any size and mode as bytes of one size; without PyTorch, so that other processes start soon."""

import functools
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

# Formats whose decoder starts another program, or that hold no pixels
_REFUSED = {"EPS", "WMF", "FITS", "GRIB", "HDF5", "BUFR", "MPEG", "IPTC"}
# Photographs that Pillow reads only with a plug-in: they get a row that says so, as any unreadable file does
OF_PLUGINS = {".heic", ".heif", ".hif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".svg"}

_WHITES = (1.0, 2.0**8 - 1, 2.0**16 - 1, 2.0**31 - 1, 2.0**32 - 1)
_SAMPLE_FORMAT = 339  # TIFF's tag


@functools.cache
def image_suffixes() -> set[str]:
    """Endings of the names of image files, those included that Pillow reads only with a plug-in."""
    return set(Image.registered_extensions()) | OF_PLUGINS


def decoded(path: Path, image_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One file as uint8 ``image_shape``: upright, over white where transparent, resized with antialiasing.

    Raises:
        OSError, ValueError, SyntaxError: Whatever the decoder says of a file that it cannot read.
    """
    channels, height, width = image_shape
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")  # a pipe or device may never answer
    if status.st_size == 0:
        raise ValueError("an empty file")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)  # odd metadata that does not touch the pixels
        with _opened(path) as file:
            file.draft(None, (4 * width, 4 * height))  # a large JPEG is decoded at an eighth of its size
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I;16") or image.mode in ("I", "F"):
                image = _to_eight_bits(image, file)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("L" if channels == 1 else "RGB")
            image = image.resize((width, height), Image.Resampling.BICUBIC)  # shrinking, Pillow's filters antialias
            pixels = np.asarray(image).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1).copy()


def _opened(path: Path) -> ImageFile.ImageFile:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # said by the header, before draft()
            file = Image.open(path, formats=_formats())
    except UnidentifiedImageError as error:
        name = path.suffix.lower()
        wanted = f"{name} files need a plug-in of Pillow" if name in OF_PLUGINS else "no image of a format that is read"
        raise UnidentifiedImageError(wanted) from error
    if file.format not in ("JPEG", "MPO") and file.width * file.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
        file.close()
        raise ValueError(f"{file.width} x {file.height} pixels are too many")
    return file


@functools.cache
def _formats() -> list[str]:
    """What may be opened; the usual ones are tried first, since Pillow asks one after the other."""
    Image.init()  # loads what can open files
    return sorted(Image.OPEN.keys() - _REFUSED, key=lambda name: (name not in ("JPEG", "PNG"), name))


def _to_eight_bits(image: Image.Image, file: ImageFile.ImageFile) -> Image.Image:
    """Grey of 16 or 32 bits or floating point to 8; Pillow's own conversion would clip at 255.

    White is the smallest usual one that no pixel exceeds, not the brightest pixel: a dark image stays dark.
    """
    levels = np.asarray(image).astype(np.float64)
    if not np.isfinite(levels).all():
        raise ValueError("it has pixels that are not finite")
    if image.mode == "I" and getattr(file, "tag_v2", {}).get(_SAMPLE_FORMAT, (1,))[0] == 1:
        levels %= 2**32  # unsigned in the file, signed in Pillow
    most = levels.max(initial=0.0)
    white = next((white for white in _WHITES[0 if image.mode == "F" else 2 :] if most <= white), most)
    return Image.fromarray(np.clip(levels / white * 255, 0, 255).round().astype(np.uint8))


class Chunk(NamedTuple):
    """Several files decoded.

    Attributes:
        pixels: uint8 ``(N, channels, height, width)``; zeros for a file that cannot be read.
        errors: Why not, by position.
        is_grey: Whether every pixel is grey.
    """

    pixels: NDArray[np.uint8]
    errors: dict[int, str]
    is_grey: bool


def decoded_chunk(paths: Sequence[Path], image_shape: tuple[int, int, int]) -> Chunk:
    """The images of several files."""
    pixels = np.zeros((len(paths), *image_shape), np.uint8)
    errors: dict[int, str] = {}
    for position, path in enumerate(paths):
        try:
            pixels[position] = decoded(path, image_shape)
        except Exception as error:
            errors[position] = reason(error)
    return Chunk(pixels, errors, bool((pixels == pixels[:, :1]).all()))


def reason(error: Exception) -> str:
    """Why a file cannot be read, in one line; decoders raise what they like on a damaged file."""
    return " ".join(f"{type(error).__name__}: {error}".split())
