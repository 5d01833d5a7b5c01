"""A network's predictions for some images, from which most pictures are drawn."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# Shape legend: N = images, C = classes


class Predictions(NamedTuple):
    """Inputs with their true classes and a network's probabilities, on the CPU.

    Attributes:
        inputs: ``(N, ...)``; images are ``(N, channels, height, width)``, uint8 or floating point.
        labels: int64 ``(N,)``.
        probabilities: float32 ``(N, C)``.
    """

    inputs: Tensor
    labels: Tensor
    probabilities: Tensor

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each image, ``(N,)``."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> Tensor:
        """The probability of the predicted class, ``(N,)``."""
        return self.probabilities.amax(1)

    @property
    def correct(self) -> Tensor:
        """Whether the prediction is right, bool ``(N,)``."""
        return self.predicted == self.labels


@torch.no_grad()
def predict(
    network: Callable[[Tensor], Tensor],
    inputs: Tensor,
    labels: Tensor,
    device: torch.device | str = "cpu",
    batch_size: int = 2_000,
) -> Predictions:
    """Predictions of a network, batch by batch.

    Args:
        network: Maps inputs to logits ``(N, C)``.
        inputs: ``(N, ...)``, on the CPU.
        labels: int64 ``(N,)``, on the CPU.
        device: The network's.
        batch_size: Inputs at a time.
    """
    probabilities = [torch.softmax(network(part.to(device)).float(), 1).cpu() for part in inputs.split(batch_size)]
    # A network that diverged has no probabilities; its pictures are drawn all the same.
    return Predictions(inputs, labels, torch.cat(probabilities).nan_to_num(0.0))
