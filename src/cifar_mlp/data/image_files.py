"""Image files of any size and mode as byte images of the network's size."""

import stat
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from cifar_mlp.data.loader import Batch

# Formats whose decoder starts another program, or that hold no pixels
_REFUSED = {"EPS", "WMF", "FITS", "GRIB", "HDF5", "BUFR", "MPEG", "IPTC"}
# Photographs that Pillow reads only with a plug-in: they get a row that says so, as any unreadable file does
_OF_PLUGINS = {".heic", ".heif", ".hif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".svg"}

_WHITES = (1.0, 2.0**8 - 1, 2.0**16 - 1, 2.0**31 - 1, 2.0**32 - 1)
_SAMPLE_FORMAT = 339  # TIFF's tag


def find_image_files(paths: str | Sequence[str]) -> list[Path]:
    """The image files that ``paths`` name: files as they stand, folders searched to any depth, in sorted order.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If no image is found.
    """
    given = [Path(path).expanduser() for path in ([paths] if isinstance(paths, str) else paths)]
    extensions = set(Image.registered_extensions()) | _OF_PLUGINS
    found: list[Path] = []
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"--data.predict_path: {path} does not exist")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [file for file in inside if not file.is_dir() and (file == path or file.suffix.lower() in extensions)]
    if not found:
        named = ", ".join(map(str, given)) or "nothing"
        raise ValueError(f"--data.predict_path: no image files in {named}")
    return found


def read_image(path: Path, image_shape: tuple[int, int, int]) -> Tensor:
    """One file as uint8 ``image_shape``: upright, over white where transparent, resized with antialiasing.

    Raises:
        OSError, ValueError, SyntaxError: Whatever the decoder says of a file that it cannot read.
    """
    channels, height, width = image_shape
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a regular file")  # a pipe or device may never answer
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
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def _opened(path: Path) -> ImageFile.ImageFile:
    Image.init()  # loads what can open files
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # said by the header, before draft()
            file = Image.open(path, formats=sorted(Image.OPEN.keys() - _REFUSED))
    except UnidentifiedImageError as error:
        name = path.suffix.lower()
        wanted = (
            f"{name} files need a plug-in of Pillow" if name in _OF_PLUGINS else "no image of a format that is read"
        )
        raise UnidentifiedImageError(wanted) from error
    if file.format not in ("JPEG", "MPO") and file.width * file.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
        file.close()
        raise ValueError(f"{file.width} x {file.height} pixels are too many")
    return file


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


class ImageFiles(Dataset[Batch]):
    """Image files, read when their batch is needed.

    A file that cannot be read becomes a black image and an entry in ``errors``; the others are read as usual.

    Args:
        files: Paths to read.
        image_shape: Channels, height and width wanted.
        transform: Applied to a batch of byte images; ``None`` leaves the bytes.
    """

    def __init__(
        self,
        files: Sequence[Path],
        image_shape: tuple[int, int, int],
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.files, self.image_shape, self.transform = files, image_shape, transform
        self.errors: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__(torch.tensor([index]))

    def __getitems__(self, indices: Tensor) -> Batch:
        images = torch.stack([self._read(index) for index in indices.tolist()])
        if self.transform is not None:
            images = self.transform(images)
        return Batch(images, torch.zeros(len(images), dtype=torch.int64), indices)

    def _read(self, index: int) -> Tensor:
        try:
            return read_image(self.files[index], self.image_shape)
        except Exception as error:  # decoders raise what they like on a damaged file
            self.errors[index] = " ".join(f"{type(error).__name__}: {error}".split())
            return torch.zeros(self.image_shape, dtype=torch.uint8)
