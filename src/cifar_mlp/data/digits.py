"""scikit-learn's embedded handwritten digits: real images, no download. They are not CIFAR-10 and never called so."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_mlp.data.cifar import Part


@dataclass(frozen=True)
class Digits:
    """The 1,797 test digits of Alpaydin and Kaynak (1998), 8 x 8 grey pixels of 17 levels, a source of images.

    They come without an order that means anything, so 270 are set aside for testing by a stratified draw.
    """

    name: str = "digits"
    class_names: tuple[str, ...] = tuple(str(digit) for digit in range(10))
    num_train: int = 1_527
    num_test: int = 270
    default_val_size: int = 270
    image_shape: tuple[int, int, int] = (1, 8, 8)

    def prepare(self, root: str | None, part: Part, mirror: str | None = None) -> None:
        """Nothing to fetch: scikit-learn carries the images. A root or mirror would be ignored, so it is refused."""
        for option, given in (("root", root), ("mirror", mirror)):
            if given is not None:
                raise ValueError(
                    f"--data.{option} cannot be given with --data.source digits: scikit-learn carries the images"
                )

    def load(self, root: str | None, part: Part, seed: int) -> tuple[Tensor, Tensor]:
        """Images, uint8 ``(N, 1, 8, 8)``, levels 0..16 stretched to 0..255, and labels, int64 ``(N,)``."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        images = torch.from_numpy(digits.images).mul(255 / 16).round().to(torch.uint8).unsqueeze(1)
        labels = torch.from_numpy(digits.target)
        train, test = train_test_split(
            range(len(labels)), test_size=self.num_test, stratify=digits.target, random_state=seed
        )
        chosen = torch.tensor(sorted(train if part == "train" else test))
        return images[chosen], labels[chosen]

    def fingerprint(self, images: Tensor) -> list[str]:
        """What identifies the training images, beside the split's indices: the set has one edition."""
        return ["digits"]
