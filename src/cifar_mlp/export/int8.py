"""An ONNX file with weights of eight bits, by ONNX Runtime's own tools, and what that costs."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from cifar_mlp.export.file_formats import Run

LIMIT = 2.0  # points of accuracy that a file may lose
BATCH = 1_000


class Measured(NamedTuple):
    """A file on labelled images.

    Attributes:
        predicted: int64 ``(N,)``.
        accuracy: Share that is right.
        images_per_second: In batches of 1,000.
    """

    predicted: Tensor
    accuracy: float
    images_per_second: float


class Cost(NamedTuple):
    """What eight bits cost, on all test images.

    Attributes:
        images: How many.
        accuracy: Of the file.
        float32_accuracy: Of the same network in float32.
        same_class: Share of the images in the same class.
    """

    images: int
    accuracy: float
    float32_accuracy: float
    same_class: float

    def require(self) -> None:
        """Refuse a file that is too much worse.

        Raises:
            ValueError: Says by how much.
        """
        lost = 100 * (self.float32_accuracy - self.accuracy)
        if not lost <= LIMIT:
            raise ValueError(
                f"--int8 costs {lost:.1f} points of accuracy on {self.images:,} test images, more than {LIMIT:g}: "
                "nothing is kept"
            )


def quantize(path: Path, target: Path) -> None:
    """Weights as int8, a scale for each output; activations as they come, a scale for each batch.

    Args:
        path: ONNX file in float32.
        target: Written.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _without_advice():
        quantize_dynamic(path, target, per_channel=True, weight_type=QuantType.QInt8)


@contextmanager
def _without_advice() -> Iterator[None]:
    """ONNX Runtime advises each time to run its pre-processing, which finds nothing to do in these networks."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def measure(run: Run, images: Tensor, labels: Tensor) -> Measured:
    """Run a file on all images.

    Args:
        run: Runs the file.
        images: uint8 ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
    """
    run(images[:BATCH])  # the first call prepares
    began = time.perf_counter()
    predicted = torch.cat([run(batch).argmax(1) for batch in images.split(BATCH)])
    seconds = time.perf_counter() - began
    return Measured(predicted, float((predicted == labels).double().mean()), len(images) / seconds)


def write_cost(cost: Cost, path: Path) -> None:
    """Add it to the file's metadata, as ``int8``."""
    import onnx

    model = onnx.load(path)
    entry = model.metadata_props.add()
    entry.key, entry.value = "int8", json.dumps(cost._asdict())
    onnx.save(model, path)
