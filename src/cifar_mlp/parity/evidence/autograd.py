"""PyTorch's autograd as a witness: the forward pass in PyTorch's own operations, the rest is its business."""

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity.two_layer import Gradients, Parameters, Trace


def loss_of(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Tensor:
    """The loss, with a graph behind it where the parameters ask for one."""
    w1, b1, w2, b2 = parameters
    scores = functional.relu(inputs @ w1 + b1) @ w2 + b2
    return functional.cross_entropy(scores, labels) + regularization * (w1.square().sum() + w2.square().sum())


def loss_and_gradients(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, Gradients]:
    """The same answer as by hand, by autograd; the input's own gradient is not asked for."""
    leaves = Parameters(*(parameter.detach().requires_grad_() for parameter in parameters))
    loss = loss_of(leaves, inputs, labels, regularization)
    return loss.detach(), Gradients(*torch.autograd.grad(loss, leaves))


def intermediates(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Trace:
    """Every tensor on the way, and the gradient in each by autograd."""
    w1, b1, w2, b2 = (parameter.detach().requires_grad_() for parameter in parameters)
    z2 = inputs @ w1 + b1
    a2 = functional.relu(z2)
    scores = a2 @ w2 + b2
    loss = functional.cross_entropy(scores, labels) + regularization * (w1.square().sum() + w2.square().sum())
    dz3, da2, dz2, *gradients = torch.autograd.grad(loss, (scores, a2, z2, w1, b1, w2, b2))
    probabilities = functional.softmax(scores, dim=1)
    tensors = (z2, a2, scores, probabilities, loss, dz3, da2, dz2, *gradients)
    return Trace(*(tensor.detach() for tensor in tensors))
