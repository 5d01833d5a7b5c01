"""Image files of any size and mode as byte images of the network's size."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cifar_mlp.data.loader import Batch
from cifar_mlp.data.own_images.decoding import decoded, reason
from cifar_mlp.data.own_images.image_paths import images_below


def find_image_files(paths: str | Sequence[str]) -> list[Path]:
    """The image files that ``paths`` name: files as they stand, folders searched to any depth, in sorted order,
    hidden files left out.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If no image is found.
    """
    given = [Path(path).expanduser() for path in ([paths] if isinstance(paths, str) else paths)]
    found: list[Path] = []
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"--data.predict_path: {path} does not exist")
        found += sorted(images_below(path)) if path.is_dir() else [path]
    if not found:
        named = ", ".join(map(str, given)) or "nothing"
        raise ValueError(f"--data.predict_path: no image files in {named}")
    return found


def read_image(path: Path, image_shape: tuple[int, int, int]) -> Tensor:
    """One file as uint8 ``image_shape``, see :func:`decoded`."""
    return torch.from_numpy(decoded(path, image_shape))


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
        except Exception as error:
            self.errors[index] = reason(error)
            return torch.zeros(self.image_shape, dtype=torch.uint8)
