"""What a network says of some images: the raw material of most pictures."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# Shape legend: N = images, C = classes


class Answers(NamedTuple):
    """Images with their true classes and a network's probabilities, on the CPU.

    Attributes:
        images: ``(N, channels, height, width)``, uint8, or floating point from 0 to 1.
        labels: int64 ``(N,)``.
        probabilities: float32 ``(N, C)``.
    """

    images: Tensor
    labels: Tensor
    probabilities: Tensor

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each image, ``(N,)``."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> Tensor:
        """Its probability, ``(N,)``."""
        return self.probabilities.amax(1)


@torch.no_grad()
def ask(network: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, batch_size: int = 2_000) -> Answers:
    """A network's answers about images.

    Args:
        network: Maps images to logits ``(N, C)``, on whatever device the images are.
        images: ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
        batch_size: Images at a time.
    """
    probabilities = [torch.softmax(network(part).float(), 1).cpu() for part in images.split(batch_size)]
    # A network that diverged says nothing; its pictures are drawn all the same.
    return Answers(images.cpu(), labels.cpu(), torch.cat(probabilities).nan_to_num(0.0))
