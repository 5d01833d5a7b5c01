"""What the parity tests share: drawn problems, autograd as witness, and how agreement is measured."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity.two_layer import Gradients, Parameters

EXACT = 1e-12  # float64: the same formula in another order of operations
SINGLE = 1e-5  # float32 against float64: 25 times above its own rounding, 25 times below TF32's

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="cuda: no NVIDIA GPU on this machine"),
        ],
    ),
]


def normwise_error(ours: Tensor, theirs: Tensor, scale: Tensor | None = None) -> float:
    """||ours - theirs|| / ||scale||, in float64; ``scale`` is theirs unless theirs nearly cancels.

    A reference that is zero must be met by zero.
    """
    assert ours.shape == theirs.shape, f"shape {tuple(ours.shape)}, not {tuple(theirs.shape)}"
    difference = (ours.double() - theirs.double()).norm().item()
    size = (theirs if scale is None else scale).double().norm().item()
    return difference / size if size > 0 else (0.0 if difference == 0 else float("inf"))


def assert_close(name: str, ours: Tensor, theirs: Tensor, limit: float, scale: Tensor | None = None) -> None:
    error = normwise_error(ours, theirs, scale)
    assert error <= limit, f"{name}: normwise error {error:.1e} above {limit:.0e}"  # NaN fails as well


def assert_plain(*tensors: Tensor) -> None:
    """No autograd graph hangs on these."""
    for tensor in tensors:
        assert not tensor.requires_grad
        assert tensor.grad_fn is None


def draw_two_layer(
    sizes: tuple[int, int, int, int], dtype: torch.dtype = torch.float64, device: str = "cpu", seed: int = 0
) -> tuple[Parameters, Tensor, Tensor]:
    """Parameters with biases that are never zero, inputs and labels for N, D, H, C = ``sizes``."""
    num_examples, num_features, num_hidden, num_classes = sizes
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 1.0) -> Tensor:
        return (std * torch.randn(shape, generator=generator, dtype=torch.float64)).to(device, dtype)

    parameters = Parameters(
        normal(num_features, num_hidden, std=num_features**-0.5),
        normal(num_hidden, std=0.3),
        normal(num_hidden, num_classes, std=num_hidden**-0.5),
        normal(num_classes, std=0.3),
    )
    labels = torch.randint(0, num_classes, (num_examples,), generator=generator)
    return parameters, normal(num_examples, num_features), labels.to(device)


def autograd_two_layer(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, Gradients]:
    """The same loss by PyTorch's own layers, differentiated by autograd."""
    leaves = Parameters(*(tensor.detach().clone().requires_grad_() for tensor in parameters))
    scores = functional.linear(
        functional.relu(functional.linear(inputs, leaves.w1.T, leaves.b1)), leaves.w2.T, leaves.b2
    )
    loss = functional.cross_entropy(scores, labels)
    loss = loss + regularization * (leaves.w1.square().sum() + leaves.w2.square().sum())
    return loss.detach(), Gradients(*torch.autograd.grad(loss, leaves))


def as_function(forward: Callable[..., Tensor], backward: Callable[..., tuple[Tensor, ...]]) -> Callable[..., Tensor]:
    """A function whose derivative autograd takes from ``backward(dy, *inputs)``: gradcheck can judge it."""

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
