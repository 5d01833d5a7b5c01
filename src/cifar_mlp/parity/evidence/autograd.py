"""The two-layer network differentiated by PyTorch's autograd: the reference, and the baseline for speed."""

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity.two_layer import Gradients, Parameters, Trace


def loss_of(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Tensor:
    """The loss ``()``, with a graph if the parameters require gradients."""
    return _forward(parameters, inputs, labels, regularization)[-1]


def loss_and_gradients(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, Gradients]:
    """Same arguments and results as the hand-derived ``loss_and_gradients``."""
    leaves = Parameters(*(parameter.detach().requires_grad_() for parameter in parameters))
    loss = loss_of(leaves, inputs, labels, regularization)
    return loss.detach(), Gradients(*torch.autograd.grad(loss, leaves))


def intermediates(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Trace:
    """Every intermediate tensor and the gradient in each."""
    leaves = Parameters(*(parameter.detach().requires_grad_() for parameter in parameters))
    z2, a2, scores, loss = _forward(leaves, inputs, labels, regularization)
    dz3, da2, dz2, *gradients = torch.autograd.grad(loss, (scores, a2, z2, *leaves))
    probabilities = functional.softmax(scores, dim=1)
    tensors = (z2, a2, scores, probabilities, loss, dz3, da2, dz2, *gradients)
    return Trace(*(tensor.detach() for tensor in tensors))


def _forward(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z2, a2, scores and loss, from PyTorch's fused operations."""
    w1, b1, w2, b2 = parameters
    z2 = torch.addmm(b1, inputs, w1)
    a2 = functional.relu(z2)
    scores = torch.addmm(b2, a2, w2)
    penalty = regularization * (w1.square().sum() + w2.square().sum())
    return z2, a2, scores, functional.cross_entropy(scores, labels) + penalty
