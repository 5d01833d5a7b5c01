"""The two-layer network differentiated by PyTorch's autograd: the reference, and the baseline for speed."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity.two_layer import Parameters, Trace


def loss_of(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Tensor:
    """The loss ``()``, with a graph if the parameters require gradients."""
    return _forward(parameters, inputs, labels, regularization)[-1]


def intermediates(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float, computed: Trace | None = None
) -> Trace:
    """Every intermediate tensor and the gradient in each.

    Whatever follows the first affine map and the scores starts from those of ``computed`` if given.
    """
    leaves = Parameters(*(parameter.detach().requires_grad_() for parameter in parameters))
    z2, a2, z3, p, loss = _forward(leaves, inputs, labels, regularization, computed)
    gradients = torch.autograd.grad(loss, (z3, a2, z2, *leaves))
    return Trace(*(tensor.detach() for tensor in (z2, a2, z3, p, loss, *gradients)))


def objective(scores: Tensor, labels: Tensor, regularization: float, weights: Iterable[Tensor]) -> Tensor:
    """J ``()``: mean cross-entropy plus lambda times the sum of all squared weights."""
    return functional.cross_entropy(scores, labels) + regularization * sum(w.square().sum() for w in weights)


def _forward(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float, computed: Trace | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """z2, a2, scores, probabilities and loss, from PyTorch's fused operations."""
    w1, b1, w2, b2 = parameters
    z2 = torch.addmm(b1, inputs, w1)
    a2 = functional.relu(z2 if computed is None else with_value(z2, computed.z2))
    z3 = torch.addmm(b2, a2, w2)
    scores = z3 if computed is None else with_value(z3, computed.scores)
    loss = objective(scores, labels, regularization, (w1, w2))
    return z2, a2, z3, functional.softmax(scores, dim=1), loss


def with_value(tensor: Tensor, value: Tensor) -> Tensor:
    """A tensor that has another value; its gradient continues to ``tensor``."""
    return tensor + (value.detach().cpu().double() - tensor).detach()
