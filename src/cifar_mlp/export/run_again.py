"""An exported file, run again beside the network that it came from."""

import time
from typing import NamedTuple

import torch
from torch import Tensor

from cifar_mlp.export.file_formats import Run
from cifar_mlp.models.classifier import Classifier
from cifar_mlp.pictures.predictions import predict

TOLERANCE = 1e-4  # of a probability: float32 sums of 3,072 terms in another order and, folded, of larger terms
LOGIT_TOLERANCE = 1e-3  # of a logit, less the logarithm of the sum: the file gives probabilities
SMALLEST = 1e-30  # probability whose logit is compared
TIMED = 3  # passes over all images; the fastest counts


class Rerun(NamedTuple):
    """How a file's probabilities compare with the network's.

    Attributes:
        images: Compared.
        difference: The largest, of any probability.
        logit_difference: The largest, of any logit.
        other_class: Images that get another class.
        images_per_second: Of the file, all images as one batch.
    """

    images: int
    difference: float
    logit_difference: float
    other_class: int
    images_per_second: float

    def require(self) -> None:
        """Refuse a file that is not the same network.

        Raises:
            ValueError: Says how much it differs.
        """
        near = self.difference <= TOLERANCE and self.logit_difference <= LOGIT_TOLERANCE
        if not near or self.other_class:
            raise ValueError(
                f"the exported file gives other probabilities than the network: {self}, and another class for "
                f"{self.other_class:,} of {self.images:,} images; "
                "nothing is kept"
            )

    def __str__(self) -> str:
        return (
            f"probabilities within {self.difference:.1e} and logits within {self.logit_difference:.1e} "
            f"(tolerances {TOLERANCE:.0e} and {LOGIT_TOLERANCE:.0e})"
        )


@torch.no_grad()
def run_again(model: Classifier, run: Run, images: Tensor) -> Rerun:
    """Compare a file with the network on the same images, in one batch and one by one for the first two.

    Args:
        model: The network, in float32 on the CPU.
        run: Runs the file.
        images: uint8 ``(N, channels, height, width)``.
    """
    expected = predict(model, images, torch.zeros(len(images), dtype=torch.long)).probabilities
    seconds = []
    for _ in range(TIMED):
        began = time.perf_counter()
        found = run(images)
        seconds.append(time.perf_counter() - began)
    alone = torch.cat([run(image[None]) for image in images[:2]])
    others = int((found.argmax(1) != expected.argmax(1)).sum())
    pairs = [(found, expected), (alone, expected[:2])]
    by_probability, by_logit = (
        max(float((of(one) - of(other)).abs().max()) for one, other in pairs) for of in (Tensor.double, _logits)
    )
    return Rerun(len(images), by_probability, by_logit, others, len(images) / min(seconds))


def _logits(probabilities: Tensor) -> Tensor:
    return probabilities.double().clamp(min=SMALLEST).log()
