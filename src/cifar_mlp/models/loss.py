"""The training loss, with autograd's gradients or the hand-derived ones."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cifar_mlp.data.augment.mixing import MixedBatch
from cifar_mlp.models.hand_derived import HandDerivedLoss
from cifar_mlp.models.mlp import MLP

Gradients = Literal["autograd", "hand"]


def check_loss(settings: dict[str, Any]) -> None:
    """Raise ``ValueError`` for settings of the loss that are out of range or do not go together."""
    if not 0.0 <= settings["label_smoothing"] < 1.0:
        raise ValueError(f"label_smoothing must lie in [0, 1), not be {settings['label_smoothing']}")
    if not settings["regularization"] >= 0:
        raise ValueError(f"regularization must not be negative, as {settings['regularization']} is")
    if settings["gradients"] not in get_args(Gradients):
        raise ValueError(f"gradients must be autograd or hand, not {settings['gradients']!r}")
    if settings["gradients"] == "hand" and settings["normalization"] == "batch":
        raise ValueError("normalization batch needs gradients autograd: with gradients hand choose none or layer")
    if settings["gradients"] == "hand" and settings["label_smoothing"]:
        raise ValueError("label_smoothing needs gradients autograd")


def training_loss(network: MLP, features: Tensor, labels: Tensor, settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Loss ``()``, ready for ``backward``, and logits ``(N, classes)`` of a batch.

    Args:
        network: In training mode; dropout draws from the global generator.
        features: ``(N, in_features)``.
        labels: int64 ``(N,)``.
        settings: ``gradients``, ``regularization``, ``label_smoothing`` and ``dropout``.
    """
    if settings["gradients"] == "hand":
        with torch.autocast(features.device.type, enabled=False):  # the formulas keep the parameters' precision
            kept = _draw_masks(network, len(features), settings["dropout"], features.device)
            found: tuple[Tensor, Tensor] = HandDerivedLoss.apply(
                network, features.to(network.first.weight.dtype), labels, settings["regularization"], kept,
                *network.parameters(),
            )  # fmt: skip
        return found
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


def _penalized(loss: Tensor, network: MLP, settings: dict[str, Any]) -> Tensor:
    return loss + settings["regularization"] * network.squared_weights() if settings["regularization"] else loss


def _draw_masks(network: MLP, num_images: int, dropout: float, device: torch.device) -> list[Tensor]:
    """Which units dropout keeps in each hidden layer, boolean ``(N, units)``; empty without dropout."""
    sizes = [(num_images, units) for units in network.hidden_sizes] if dropout else []
    return [torch.rand(size, device=device) >= dropout for size in sizes]
