"""What a classifier may be given: batches of any kind, byte images of any layout, features."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.data.preprocessing import Preprocessing


def inputs_and_labels(batch: Any) -> tuple[Tensor, Tensor]:
    """The first two entries of a batch.

    Raises:
        ValueError: If it is not a pair of tensors.
    """
    if not isinstance(batch, tuple | list) or len(batch) < 2 or not all(isinstance(part, Tensor) for part in batch[:2]):
        kind = f"{type(batch).__name__} of {len(batch)}" if isinstance(batch, tuple | list) else type(batch).__name__
        raise ValueError(f"a batch must be a pair of tensors (inputs, labels), not a {kind}")
    return batch[0], batch[1]


def features_of_first_batch(batches: Iterable[Any], num_classes: int) -> int:
    """Features per image, counted in the first batch.

    Raises:
        ValueError: For byte images, which need a preprocessing, and labels that are no classes.
    """
    with torch.random.fork_rng(devices=[]):  # a shuffling loader draws its order when asked for a batch
        inputs, labels = inputs_and_labels(next(iter(batches)))
    if inputs.dtype == torch.uint8:
        raise ValueError("the data give byte images: train on CIFAR10DataModule, or scale them to floats first")
    if labels.is_floating_point() or labels.ndim != 1:
        raise ValueError(f"labels must be class numbers (B,), int64, not {labels.dtype} {tuple(labels.shape)}")
    if int(labels.max()) >= num_classes:
        raise ValueError(f"label {int(labels.max())} with num_classes {num_classes}: give the number of classes")
    return math.prod(inputs.shape[1:])


def to_features(inputs: Any, preprocessing: Preprocessing | None, in_features: int) -> Tensor:
    """Features ``(N, in_features)`` of byte images, features, or other float inputs.

    Args:
        inputs: uint8 ``(N, channels, height, width)``, where the channels may also come last, or one such image; or
            floats ``(N, in_features)``; without a preprocessing floats of any shape with so many values an image.
            NumPy arrays are taken too.
        preprocessing: What the network carries; needed for byte images.
        in_features: Inputs of the network.

    Raises:
        ValueError: For anything else; says which shape is expected.
    """
    try:
        inputs = torch.as_tensor(inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(inputs).__name__
        raise ValueError(f"inputs must be a tensor or a NumPy array, not a {kind}: numpy.asarray may help") from error
    if inputs.dtype == torch.uint8:
        if preprocessing is None:
            raise ValueError("byte images need a fitted preprocessing: train first, or load a checkpoint")
        features: Tensor = preprocessing(_channels_first(inputs, preprocessing.spec["image_shape"]))
        return features
    if not inputs.is_floating_point():
        raise ValueError(f"inputs must be uint8 images or float features, not {inputs.dtype}")
    if preprocessing is None and inputs.ndim > 2:
        inputs = inputs.flatten(1)
    if inputs.ndim != 2 or inputs.shape[1] != in_features:
        expected = f"float features (N, {in_features})"
        if preprocessing is not None:
            shape = ", ".join(map(str, preprocessing.spec["image_shape"]))
            expected = f"uint8 images (N, {shape}) in 0..255, or {expected}"
        raise ValueError(f"expected {expected}, not {inputs.dtype} {tuple(inputs.shape)}")
    return inputs


def _channels_first(images: Tensor, image_shape: list[int]) -> Tensor:
    channels, height, width = image_shape
    if images.ndim == 3:
        images = images[None]
    if images.shape[1:] == (height, width, channels):
        images = images.permute(0, 3, 1, 2)
    if images.shape[1:] != (channels, height, width):
        raise ValueError(f"expected uint8 images (N, {channels}, {height}, {width}), not {tuple(images.shape)}")
    return images
