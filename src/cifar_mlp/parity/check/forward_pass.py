"""A pass of ``n_layer`` that keeps every tensor, with any activation, and with wrong functions if asked to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity import layers, n_layer
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.faults import replaced
from cifar_mlp.parity.network import EPSILON, AffineTensors, HiddenLayer, Network, Normalization
from cifar_mlp.parity.operations import Formulas, Standardized

# Shape legend: N = examples, I, O = input and output features of a layer, C = classes

Pair = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]


def _slope(slope: float) -> Pair:
    return partial(layers.leaky_relu_forward, slope=slope), partial(layers.leaky_relu_backward, slope=slope)


ACTIVATIONS: dict[str, Pair] = {
    "relu": (layers.relu_forward, layers.relu_backward),
    "sigmoid": (torch.sigmoid, lambda dy, x: dy * torch.sigmoid(x) * (1 - torch.sigmoid(x))),
    "tanh": (layers.tanh_forward, layers.tanh_backward),
    "leaky_relu": _slope(0.01),
    "gelu": (layers.gelu_forward, layers.gelu_backward),
    "silu": (layers.silu_forward, layers.silu_backward),
    "gelu_tanh": (
        partial(functional.gelu, approximate="tanh"),
        lambda dy, x: torch.ops.aten.gelu_backward(dy, x, approximate="tanh"),
    ),
    **{f"leaky_relu of slope {slope}": _slope(slope) for slope in (0.1, 0.2, 0.02, 0.05, 0.3, 0.25, 0.001)},
    "elu": (functional.elu, lambda dy, x: dy * torch.where(x > 0, 1.0, x.exp())),
    "softplus": (functional.softplus, lambda dy, x: dy * torch.sigmoid(x)),
    "no activation": (lambda x: x, lambda dy, x: dy),
}


PREPARED: dict[str, Callable[[Tensor], Tensor]] = {
    "as given": lambda x: x,
    "the inputs are standardized by feature": lambda x: (x - x.mean(0)) / x.std(0, unbiased=False),
    "the inputs are standardized by feature, plus 1e-8": lambda x: (x - x.mean(0)) / (x.std(0, unbiased=False) + 1e-8),
    "the inputs are standardized by feature, with N - 1": lambda x: (x - x.mean(0)) / x.std(0),
    "the inputs are centred by feature": lambda x: x - x.mean(0),
    "the inputs are standardized by example": lambda x: (
        (x - x.mean(1, keepdim=True)) / x.std(1, unbiased=False, keepdim=True)),
    "the inputs are divided by each example's norm": lambda x: x / x.norm(dim=1, keepdim=True),
    "the inputs are divided by the batch's largest": lambda x: x / x.max(),
    "the inputs are divided by 255": lambda x: x / 255,
    "the inputs are scaled to 0 to 1 by feature": lambda x: (x - x.amin(0)) / (x.amax(0) - x.amin(0)),
}  # fmt: skip


@dataclass
class Architecture:
    """What a network's tensors do not say."""

    activation: str = "relu"
    normalization: str | None = None  # batch or layer
    epsilon: float = EPSILON
    dropout: float = 0.0
    smoothing: float = 0.0  # of the labels
    wrong: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # forward functions of ``layers``, by name
    without: tuple[str, int] | None = None  # "bias" or "activation" of a layer
    inputs: str = "as given"  # what is done to them before the first layer


class ForwardPass(Formulas):
    """Every tensor of one problem; lists by layer, hidden ones first.

    The right gradients are those of :mod:`cifar_mlp.parity.n_layer`, without a penalty and averaged over the examples.
    """

    def __init__(self, drawn: Drawn, kind: Architecture) -> None:
        self.drawn, self.architecture = drawn, kind
        self.activation, self.activation_backward = ACTIVATIONS[kind.activation]
        self.dropout, self.epsilon = kind.dropout, kind.epsilon
        self.x: list[Tensor] = []  # (N, I)
        self.z: list[Tensor] = []  # (N, O), affine output
        self.standardized: list[Standardized] = []
        self.u: list[Tensor] = []  # (N, O), the activation's input
        self.a: list[Tensor] = []  # (N, O), the activation's output
        self.before: dict[int, Tensor] = {}  # (N, O), the gradient in a layer's output, as it is explained
        self.theirs: list[Tensor | None] = []  # the user's dz; if known, dscores is that of the user's own loss
        self.network, labels = _network(drawn, kind), drawn.labels
        if kind.smoothing:
            labels = layers.smoothed_targets(labels, drawn.sizes[-1], kind.smoothing, torch.float64)
        self.labels, kept = labels, drawn.kept if kind.dropout else []
        with replaced(kind.wrong):
            inputs = PREPARED[kind.inputs](drawn.inputs)
            passes = n_layer.forward_and_backward(self.network, inputs, labels, 0.0, self, True, kept)
        self.loss, self.scores, self._gradients = passes.loss, passes.scores, passes.gradients

    def affine_forward(self, number: int, x_NI: Tensor, affine: AffineTensors) -> Tensor:
        """See :class:`Formulas`; keeps both."""
        self.x.append(x_NI)
        self.z.append(super().affine_forward(number, x_NI, affine))
        return self.z[-1]

    def activation_forward(self, u_NO: Tensor) -> Tensor:
        """See :class:`Formulas`; keeps both."""
        left_out = self.architecture.without == ("activation", len(self.u))
        self.u.append(u_NO)
        self.a.append(u_NO if left_out else self.activation(u_NO))
        return self.a[-1]

    def normalization_forward(
        self, number: int, x_NO: Tensor, normalization: Normalization, training: bool
    ) -> tuple[Tensor, Standardized]:
        """See :class:`Formulas`; keeps what the backward pass needs."""
        y_NO, standardized = super().normalization_forward(number, x_NO, normalization, training)
        self.standardized.append(standardized)
        return y_NO, standardized

    def softmax_cross_entropy(self, scores_NC: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Formulas`; keeps the probabilities and dscores (N, C)."""
        loss, self.p = layers.softmax_cross_entropy_forward(scores_NC, labels)
        self.dscores = layers.softmax_cross_entropy_backward(self.p.clone(), labels)
        return loss, self.dscores

    def xhat(self, index: int) -> Tensor | None:
        """(N, O), before scale and shift."""
        return self.standardized[index].xhat if index < len(self.standardized) else None

    def gradients(self) -> list[dict[str, Tensor]]:
        """The right ones by layer, of the mean over the examples and without a penalty."""
        found = []
        for index, parts in enumerate(self.drawn.parameters):
            hidden = index + 1 < len(self.drawn.parameters)
            own = f"hidden.{index}.affine." if hidden else "output."
            names = {"weight": f"{own}weight", "bias": f"{own}bias", "gamma": f"hidden.{index}.normalization.weight",
                     "beta": f"hidden.{index}.normalization.bias"}  # fmt: skip
            tensors = {part: self._gradients[names[part]] for part in parts}
            found.append({part: tensor.T if part == "weight" else tensor for part, tensor in tensors.items()})
        return found

    def into(self, index: int, dy: Tensor) -> Tensor:
        """From the gradient in a hidden layer's output to that in its activation's input."""
        if self.drawn.kept and self.dropout:
            dy = self.dropout_backward(index, dy, self.drawn.kept[index])
        return self.activation_backward(dy, self.u[index])

    def layer_backward(
        self, index: int, du: Tensor, wrong: Mapping[str, Callable[..., Any]]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """A layer's gradients, and dz, the gradient in its affine output; with wrong functions of its normalization."""
        found, dz = {}, du
        if index < len(self.standardized):
            normalization = self.network.hidden[index].normalization
            assert normalization is not None
            with replaced(wrong):
                dz, own = self.normalization_backward(index, du, normalization, self.standardized[index])
            found["gamma"], found["beta"] = own.weight, own.bias
        found["weight"], found["bias"] = layers.affine_backward_parameters(dz, self.x[index])
        return found, dz


def _network(drawn: Drawn, kind: Architecture) -> Network:
    hidden, affines = [], []
    for index, parts in enumerate(drawn.parameters):
        zeros = torch.zeros(parts["weight"].shape[1], dtype=torch.float64)
        bias = parts.get("bias", zeros) if kind.without != ("bias", index) else zeros
        affines.append(AffineTensors(parts["weight"].T, bias))
        normalization = None
        if "gamma" in parts or (kind.normalization and index + 1 < len(drawn.parameters)):
            moments = (zeros, zeros + 1) if kind.normalization == "batch" else ()
            normalization = Normalization(parts.get("gamma", zeros + 1), parts.get("beta", zeros), *moments)
        hidden.append(HiddenLayer(affines[-1], normalization))
    return Network(tuple(hidden[:-1]), affines[-1])
