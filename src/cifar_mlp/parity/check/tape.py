"""One forward pass that keeps every tensor, with functions of :mod:`cifar_mlp.parity.layers` that can be replaced."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity import layers
from cifar_mlp.parity.check.drawing import Drawn
from cifar_mlp.parity.network import EPSILON

# Shape legend: N = examples, I, O = input and output features of a layer, C = classes

Pair = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]


def _sigmoid_backward(dy: Tensor, x: Tensor) -> Tensor:
    return dy * torch.sigmoid(x) * (1 - torch.sigmoid(x))


def _slope(slope: float) -> Pair:
    return partial(layers.leaky_relu_forward, slope=slope), partial(layers.leaky_relu_backward, slope=slope)


ACTIVATIONS: dict[str, Pair] = {
    "relu": (layers.relu_forward, layers.relu_backward),
    "sigmoid": (torch.sigmoid, _sigmoid_backward),
    "tanh": (layers.tanh_forward, layers.tanh_backward),
    "leaky_relu": _slope(0.01),
    "gelu": (layers.gelu_forward, layers.gelu_backward),
    "silu": (layers.silu_forward, layers.silu_backward),
    "gelu_tanh": (
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda dy, x: torch.ops.aten.gelu_backward(dy, x, approximate="tanh"),
    ),
    **{f"leaky_relu of slope {slope}": _slope(slope) for slope in (0.1, 0.2, 0.02, 0.05, 0.3, 0.25, 0.001)},
    "elu": (functional.elu, lambda dy, x: dy * torch.where(x > 0, 1.0, x.exp())),
    "softplus": (functional.softplus, lambda dy, x: dy * torch.sigmoid(x)),
    "no activation": (lambda x: x, lambda dy, x: dy),
}


@dataclass
class Architecture:
    """What a network's tensors do not say; ``None`` is found out from the loss."""

    activation: str = "relu"
    normalization: str | None = None  # batch or layer
    epsilon: float = EPSILON
    dropout: float = 0.0
    swaps: Mapping[tuple[str, int | None], Callable[..., Any]] = field(default_factory=dict)  # wrong functions

    def function(self, name: str, layer: int) -> Callable[..., Any]:
        """The function of one layer, or the wrong one in its place."""
        right = getattr(layers, name) if hasattr(layers, name) else None
        wrong = self.swaps.get((name, layer), self.swaps.get((name, None)))
        return partial(wrong, right) if wrong else right  # type: ignore[return-value]


@dataclass
class Tape:
    """Every tensor of a forward pass; lists by layer, hidden ones first."""

    drawn: Drawn
    architecture: Architecture
    x: list[Tensor] = field(default_factory=list)  # (N, I)
    z: list[Tensor] = field(default_factory=list)  # (N, O), affine output
    xhat: list[Tensor | None] = field(default_factory=list)
    inverse_std: list[Any] = field(default_factory=list)
    u: list[Tensor] = field(default_factory=list)  # (N, O), the activation's input
    a: list[Tensor] = field(default_factory=list)  # (N, O), the activation's output
    before: dict[int, Tensor] = field(default_factory=dict)  # (N, O), the gradient in a layer's output, as explained

    def __post_init__(self) -> None:
        kind = self.architecture
        forward = ACTIVATIONS[kind.activation][0]
        x = self.drawn.inputs
        for index, parts in enumerate(self.drawn.parameters):
            bias = parts.get("bias", torch.zeros(parts["weight"].shape[1], dtype=torch.float64))
            z = kind.function("affine_forward", index)(x, parts["weight"], bias)
            self.x.append(x)
            self.z.append(z)
            if index + 1 == len(self.drawn.parameters):
                break
            xhat, inverse_std, u = None, None, z
            if "gamma" in parts:
                dim = 1 if kind.normalization == "layer" else 0
                xhat, inverse_std = kind.function("standardize_forward", index)(z, dim, kind.epsilon)
                u = layers.scale_shift_forward(xhat, parts["gamma"], parts.get("beta", torch.zeros_like(bias)))
            swapped = kind.swaps.get(("activation", index))
            a = swapped(u) if swapped else forward(u)
            x = a
            if self.drawn.kept and kind.dropout:
                x = kind.function("dropout_forward", index)(a, self.drawn.kept[index], kind.dropout)
            self.xhat.append(xhat)
            self.inverse_std.append(inverse_std)
            self.u.append(u)
            self.a.append(a)
        labels = self.drawn.labels
        loss = kind.function("softmax_cross_entropy_forward", -1)
        self.loss, self.p = loss(z, labels)
        self.scores = z

    def penalty(self, biases: bool = False) -> Tensor:
        """The sum of all squared weights, and biases."""
        parts = self.drawn.parameters
        squares = [part["weight"].square().sum() for part in parts]
        return sum(squares + [part["bias"].square().sum() for part in parts if biases and "bias" in part])  # type: ignore[return-value]

    def backward(self, reduction: str, weight: float, bias: float) -> list[dict[str, Tensor]]:
        """The right gradients by layer; ``weight`` times a weight, ``bias`` times a bias, come from the penalty."""
        dz = layers.softmax_cross_entropy_backward(self.p.clone(), self.drawn.labels)
        dz = dz * len(dz) if reduction == "sum" else dz
        found = []
        for index in reversed(range(len(self.z))):
            tensors, dz = self.layer_backward(index, dz)
            parts = self.drawn.parameters[index]
            tensors["weight"] = tensors["weight"] + weight * parts["weight"]
            if "bias" in parts:
                tensors["bias"] = tensors["bias"] + bias * parts["bias"]
            found.append({part: tensors[part] for part in parts})
            if index:
                dz = self.into(index - 1, layers.affine_backward_input(dz, parts["weight"]))
        return found[::-1]

    def into(self, index: int, dy: Tensor) -> Tensor:
        """From the gradient in a hidden layer's output to that in its activation's input."""
        kind = self.architecture
        if self.drawn.kept and kind.dropout:
            dy = layers.dropout_backward(dy, self.drawn.kept[index], kind.dropout)
        return ACTIVATIONS[kind.activation][1](dy, self.u[index])

    def layer_backward(
        self, index: int, du: Tensor, norm: Callable[..., Tensor] | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """A layer's gradients without penalty, and dz, the gradient in its affine output."""
        parts = self.drawn.parameters[index]
        found, dz = {}, du
        xhat = self.xhat[index] if index < len(self.xhat) else None
        if "gamma" in parts and xhat is not None:
            dxhat, found["gamma"], found["beta"] = layers.scale_shift_backward(du, xhat, parts["gamma"])
            dim = 1 if self.architecture.normalization == "layer" else 0
            norm = norm or (lambda right, *arguments: right(*arguments))
            dz = norm(layers.standardize_backward, dxhat, self.xhat[index], self.inverse_std[index], dim)
        found["weight"], found["bias"] = layers.affine_backward_parameters(dz, self.x[index])
        return found, dz


LOGARITHMS = {"to base 2": math.log(2), "to base 10": math.log(10)}
