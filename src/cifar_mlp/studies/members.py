"""Trained networks of one group, each with the images that it has not seen."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cifar_mlp.data.cifar import Part
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models.classifier import Classifier
from cifar_mlp.pictures.predictions import predict
from cifar_mlp.training.checkpoint_data import data_of
from cifar_mlp.training.trained_network import read_network

VALIDATION, TEST = "validation", "test"


class Member(NamedTuple):
    """A trained network.

    Attributes:
        path: Its checkpoint.
        content: As read.
        model: In evaluation, in float32.
        data: Of its settings.
    """

    path: Path
    content: dict[str, Any]
    model: Classifier
    data: CIFAR10DataModule


class Seen(NamedTuple):
    """What one network says of images that it was not trained on.

    Attributes:
        indices: Which of the set's training or test images, int64 ``(N,)``.
        images: uint8 ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
        probabilities: float32 ``(N, classes)``.
    """

    indices: Tensor
    images: Tensor
    labels: Tensor
    probabilities: Tensor


def load_member(path: Path) -> Member:
    """Read a checkpoint of this package.

    Raises:
        ValueError: If it is one of another LightningModule, or damaged.
    """
    content, model = read_network(path)
    return Member(path, content, model, data_of(content))


def seen(member: Member, which: str) -> Seen:
    """Predictions for the validation or the test images.

    Args:
        member: The network.
        which: ``validation`` or ``test``.

    Raises:
        ValueError: If there are no validation images, or an ensemble's members were trained on them.
    """
    data = member.data
    if which == VALIDATION and data.num_val == 0:
        raise ValueError(f"{member.path} was trained on all images, without validation: compare on test images")
    if which == VALIDATION and not member.model.settings.get("validates", True):
        raise ValueError(f"{member.path}: its members were trained on these images: compare on test images")
    part: Part = "train" if which == VALIDATION else "test"
    data.source.prepare(data.root, part, data.mirror)
    if which == VALIDATION:
        indices, (images, labels) = data.val_indices(), data.val_images()
    else:
        images, labels = (tensor[: data.test_size] for tensor in data.source.load(data.root, "test", data.seed))
        indices = torch.arange(len(labels))
    return Seen(indices, images, labels, predict(member.model, images, labels).probabilities)


def each(paths: Sequence[Path], which: str) -> Iterator[tuple[Member, Seen]]:
    """Member by member, so that the images of one at a time are in memory."""
    for path in paths:
        member = load_member(path)
        yield member, seen(member, which)


def same_images(parts: Sequence[Seen]) -> bool:
    """Whether all were asked about the same images; equal places are not enough where each seed draws its own."""
    first = parts[0]
    return all(torch.equal(part.indices, first.indices) and torch.equal(part.images, first.images) for part in parts)
