"""What a trained network makes of one image, and why."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.mlp import MLP
from cifar_mlp.pictures.components import explained_shares, reconstruct
from cifar_mlp.pictures.tiles import about_grey
from cifar_mlp.pictures.weight_images import pixel_gradients

# Shape legend: N = images, K = features, C = classes, S = counts of components, U = units of the first layer
CURVE = 200  # counts of components at most
UNITS = 12


class MemberNetwork(NamedTuple):
    """One network of a checkpoint, with its preprocessing."""

    network: MLP
    preprocessing: Preprocessing


class Unit(NamedTuple):
    """One unit of the first layer.

    Attributes:
        number: From 0.
        contribution: Its output times the gradient of the answer's logit by it; in a linear network, whose units are
            the classes, the logit.
        weights: Its weights as an image about mid-grey, ``(channels, height, width)``.
    """

    number: int
    contribution: float
    weights: Tensor


class Curve(NamedTuple):
    """The answer's probability by the number of components kept.

    Attributes:
        answer: The class, with all components.
        counts: Of components, rising.
        probabilities: At each.
        settled: The fewest of these counts from which on the answer stays the same.
    """

    answer: int
    counts: list[int]
    probabilities: list[float]
    settled: int


def parts_of(model: Classifier) -> list[MemberNetwork]:
    """The networks that answer together.

    Raises:
        ValueError: If one was trained on features, and so knows no images.
    """
    parts = []
    for member in model.members():
        if member.preprocessing is None:
            raise ValueError("the network was trained on features: it carries no preprocessing and knows no images")
        parts.append(MemberNetwork(member.network, member.preprocessing))
    return parts


def kept(features_NK: Tensor, counts: Tensor) -> Tensor:
    """Features ``(N, K)`` with all but the first ``counts`` ``(N,)`` of each row at their training mean, which is 0."""
    return features_NK * (torch.arange(features_NK.shape[1]) < counts[:, None])


def features_of(part: MemberNetwork, image: Tensor, count: int | None) -> Tensor:
    """What a network is given of an image, ``(1, K)``; ``count`` components of it, ``None`` for all."""
    features_1K: Tensor = part.preprocessing(image[None])
    return features_1K if count is None else kept(features_1K, torch.tensor([count]))


@torch.no_grad()
def probabilities(parts: list[MemberNetwork], image: Tensor, count: int | None = None) -> Tensor:
    """Probability of each class, ``(C,)``, the mean over all networks.

    Args:
        parts: The networks.
        image: uint8 ``(channels, height, width)``.
        count: Principal components kept of each; ``None`` keeps all.
    """
    return torch.stack([torch.softmax(part.network(features_of(part, image, count)), 1)[0] for part in parts]).mean(0)


@torch.no_grad()
def curve(parts: list[MemberNetwork], image: Tensor, most: int) -> Curve:
    """How the answer comes about as more components are kept, from 0 to ``most``."""
    counts_S = torch.linspace(0, most, min(most + 1, CURVE)).round().long()
    found_SC = torch.stack(
        [torch.softmax(part.network(kept(part.preprocessing(image[None]), counts_S)), 1) for part in parts]
    ).mean(0)
    answers_S = found_SC.argmax(1)
    answer = int(answers_S[-1])
    other = (answers_S != answer).nonzero()
    settled = 0 if len(other) == 0 else int(other[-1]) + 1
    return Curve(answer, counts_S.tolist(), found_SC[:, answer].tolist(), int(counts_S[settled]))


def reconstruction(part: MemberNetwork, image: Tensor, count: int) -> tuple[Tensor, float]:
    """An image from its first components, uint8, and the share of its variance that they keep."""
    shares_K = explained_shares(part.preprocessing, image[None])
    return reconstruct(part.preprocessing, image[None], count)[0], float(shares_K[:count].sum())


def units(part: MemberNetwork, image: Tensor, count: int | None, label: int) -> list[Unit]:
    """The units of the first layer that contribute most to a class's logit, in either direction.

    Args:
        part: The network.
        image: uint8 ``(channels, height, width)``.
        count: Principal components kept; ``None`` keeps all.
        label: The class.
    """
    first, *others = *part.network.hidden, part.network.output
    outputs_1U = first(features_of(part, image, count)).detach().requires_grad_()
    contributions_U = outputs_1U.detach()[0]
    if others:
        logits_1C = nn.Sequential(*others)(outputs_1U)
        contributions_U = contributions_U * torch.autograd.grad(logits_1C[0, label], outputs_1U)[0][0]
    largest = contributions_U.abs().argsort(descending=True, stable=True)[:UNITS]
    weights = about_grey(pixel_gradients(part.network.first.weight[largest], part.preprocessing))
    return [
        Unit(number, float(contributions_U[number]), image)
        for number, image in zip(largest.tolist(), weights, strict=True)
    ]


@torch.no_grad()
def last_hidden(network: MLP, features_NK: Tensor) -> Tensor:
    """Outputs of the last hidden layer, ``(N, H)``; of a linear network its features."""
    found_NH = features_NK
    for layer in network.hidden:
        found_NH = layer(found_NH)
    return found_NH
