"""What the parity tests share: drawn problems, and how agreement is asserted."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cifar_mlp.parity.evidence.cases import drawn
from cifar_mlp.parity.evidence.rows import normwise_error
from cifar_mlp.parity.two_layer import Parameters

EXACT = 1e-12  # float64: the same formula in another order of operations
SINGLE = 1e-5  # float32 against float64: 25 times its own rounding, a 25th of TF32's

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def assert_close(name: str, ours: Tensor, theirs: Tensor, limit: float, scale: Tensor | None = None) -> None:
    """The normwise error is within ``limit``; ``scale`` replaces a reference that nearly cancels."""
    assert ours.shape == theirs.shape, f"{name}: shape {tuple(ours.shape)}, not {tuple(theirs.shape)}"
    error = normwise_error(ours, theirs, None if scale is None else float(scale.double().norm()))
    assert error <= limit, f"{name}: normwise error {error:.1e} above {limit:.0e}"  # NaN fails as well


def assert_plain(*tensors: Tensor) -> None:
    """None of the tensors has an autograd graph."""
    for tensor in tensors:
        assert not tensor.requires_grad
        assert tensor.grad_fn is None


def draw_two_layer(
    sizes: tuple[int, int, int, int], dtype: torch.dtype = torch.float64, device: str = "cpu"
) -> tuple[Parameters, Tensor, Tensor]:
    """Parameters, inputs and labels for N, D, H, C = ``sizes``."""
    num_examples, *others = sizes
    case = drawn("test", *others, num_examples, seed=0).to(device, dtype)
    return case.parameters, case.inputs, case.labels


def as_function(forward: Callable[..., Tensor], backward: Callable[..., tuple[Tensor, ...]]) -> Callable[..., Tensor]:
    """A function whose derivative autograd takes from ``backward(dy, *inputs)``, for gradcheck."""

    class Hand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, dy):
            return backward(dy, *ctx.saved_tensors)

    return Hand.apply


def gradcheck(forward: Callable[..., Tensor], backward: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> bool:
    """Whether ``backward`` agrees with central differences of ``forward``, entry by entry, in float64."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    return torch.autograd.gradcheck(as_function(forward, backward), leaves, atol=1e-7, rtol=1e-6, raise_exception=False)
