"""Activations as single PyTorch operations: the same formulas, compiled."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cifar_mlp.parity.network import LEAKY_SLOPE

aten: Any = torch.ops.aten


class ActivationKernel(NamedTuple):
    """One activation.

    ``forward(x, out)`` and ``backward(dy, kept, out)``, where ``kept`` is y if ``from_output``, else x.
    """

    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]
    from_output: bool
    fused: tuple[str, list[float]]  # its name and numbers in a matmul of oneDNN that ends with it


ACTIVATION_KERNELS = {
    "relu": ActivationKernel(
        lambda x, out: torch.clamp(x, min=0, out=out),
        lambda dy, y, out: aten.threshold_backward.grad_input(dy, y, 0, grad_input=out),
        True, ("relu", [])),
    "leaky_relu": ActivationKernel(
        lambda x, out: aten.leaky_relu.out(x, LEAKY_SLOPE, out=out),
        lambda dy, y, out: aten.leaky_relu_backward.grad_input(dy, y, LEAKY_SLOPE, True, grad_input=out),
        True, ("leaky_relu", [LEAKY_SLOPE])),
    "tanh": ActivationKernel(
        lambda x, out: torch.tanh(x, out=out),
        lambda dy, y, out: aten.tanh_backward.grad_input(dy, y, grad_input=out),
        True, ("tanh", [])),
    "gelu": ActivationKernel(
        lambda x, out: aten.gelu.out(x, out=out),
        lambda dy, x, out: aten.gelu_backward.grad_input(dy, x, grad_input=out),
        False, ("none", [])),
    "silu": ActivationKernel(
        lambda x, out: aten.silu.out(x, out=out),
        lambda dy, x, out: aten.silu_backward.grad_input(dy, x, grad_input=out),
        False, ("none", [])),
}  # fmt: skip
