"""Several views of an image at test time: itself, its mirror image, and both shifted."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from cifar_mlp.data.augment.geometry import flip_and_crop

TestTime = Literal["none", "mirror", "shifts"]
VIEWS: dict[str, int] = {"none": 1, "mirror": 2, "shifts": 18}
SHIFT = 2  # pixels


def views(images: Tensor, test_time: TestTime) -> Iterator[Tensor]:
    """The views of uint8 images ``(N, channels, height, width)``, the images themselves among them.

    ``mirror``: the images and their mirror images. ``shifts``: both of these, moved by -2, 0 or 2 pixels in each
    direction, reflecting at the edges.
    """
    if test_time == "none":
        yield images
        return
    moves = (-SHIFT, 0, SHIFT) if test_time == "shifts" else (0,)
    for down, right, flipped in product(moves, moves, (False, True)):
        offsets = torch.tensor([down, right], device=images.device).expand(len(images), 2)
        yield flip_and_crop(images, torch.full((len(images),), flipped, device=images.device), offsets)


def mean_probabilities(network: Callable[[Tensor], Tensor], inputs: Tensor, test_time: TestTime) -> Tensor:
    """Probabilities ``(N, classes)``, averaged over the views.

    Args:
        network: From inputs to logits.
        inputs: Byte images; features too where ``test_time`` is ``none``.
        test_time: Which views.

    Raises:
        ValueError: For features, which have no views.
    """
    if test_time != "none" and (inputs.dtype != torch.uint8 or inputs.ndim != 4):
        raise ValueError(f"--model.test_time {test_time} needs byte images: drop --data.byte_images false, or it")
    total = sum(torch.softmax(network(view).float(), dim=1) for view in views(inputs, test_time))
    assert isinstance(total, Tensor)
    return total / VIEWS[test_time]
