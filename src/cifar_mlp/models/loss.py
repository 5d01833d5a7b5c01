"""The training loss of autograd, and what its settings may be."""

from typing import Any, Literal, get_args

from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_mlp.data.augment.mixing import MixedBatch
from cifar_mlp.models.mlp import MLP
from cifar_mlp.parity.layers import smoothed_targets

Gradients = Literal["auto", "autograd", "hand"]


def check_loss(settings: dict[str, Any]) -> None:
    """Raise ``ValueError`` for settings of the loss that are out of range."""
    if not 0.0 <= settings["label_smoothing"] < 1.0:
        raise ValueError(f"label_smoothing must be in [0, 1), not {settings['label_smoothing']}")
    if not settings["regularization"] >= 0:
        raise ValueError(f"regularization must not be negative, as {settings['regularization']} is")
    if settings["gradients"] not in get_args(Gradients):
        raise ValueError(f"gradients must be auto, autograd or hand, not {settings['gradients']!r}")


def training_loss(network: MLP, features: Tensor, labels: Tensor, settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Loss ``()``, ready for ``backward``, and logits ``(N, classes)`` of a batch.

    Args:
        network: In training mode; dropout draws from the global generator.
        features: ``(N, in_features)``.
        labels: int64 ``(N,)``, or the probability of each class, ``(N, classes)``.
        settings: ``regularization`` and ``label_smoothing``.
    """
    logits = network(features)
    loss = cross_entropy(logits, labels, label_smoothing=settings["label_smoothing"])
    return _penalized(loss, network, settings), logits


def mixed_loss(network: MLP, features: Tensor, batch: MixedBatch, settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The same for images with two labels, by autograd: the two cross-entropies, weighted."""
    logits, smoothing = network(features), settings["label_smoothing"]
    first, second = (
        cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        for labels in (batch.labels, batch.other_labels)
    )
    loss = (batch.weight * first + (1 - batch.weight) * second).mean()
    return _penalized(loss, network, settings), logits


def mixed_targets(batch: MixedBatch, settings: dict[str, Any]) -> Tensor:
    """The probability of each class, ``(N, classes)``, for images with two labels, smoothed."""
    first, second = (
        smoothed_targets(labels, settings["num_classes"], settings["label_smoothing"], batch.weight.dtype)
        for labels in (batch.labels, batch.other_labels)
    )
    return second.lerp_(first, batch.weight[:, None])


def _penalized(loss: Tensor, network: MLP, settings: dict[str, Any]) -> Tensor:
    return loss + settings["regularization"] * network.squared_weights() if settings["regularization"] else loss
