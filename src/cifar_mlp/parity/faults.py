"""Faults to plant in :mod:`cifar_mlp.parity.layers`: a check that misses one of them proves nothing by passing.

The tests and the self-test of ``compare`` plant them one at a time, by replacing the function while it is in use.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.functional import one_hot

from cifar_mlp.parity import layers
from cifar_mlp.parity.evidence.matmul_precision import SimulatedTF32

EXACT = ("float64", "float32")
EVERY = (*EXACT, "bfloat16", "float16")

GRADIENTS = ("dz3", "da2", "dz2", "w1", "b1", "w2", "b2")
FROM_SCORES = ("scores", "probabilities", "loss", *GRADIENTS)
FROM_DA2 = ("da2", "dz2", "w1", "b1")
FROM_DZ2 = ("dz2", "w1", "b1")


class Fault(NamedTuple):
    """One wrong version of one function."""

    layer: str  # whose forward or backward shows it, e.g. relu
    function: str  # in ``layers``
    wrong: Callable[..., Any]  # takes the right function, then its arguments
    tensors: tuple[str, ...] = ()  # of the two-layer network that come out wrong; none if it lacks the layer
    dtypes: tuple[str, ...] = EVERY  # where it must be caught; elsewhere rounding hides it
    everywhere: bool = False  # must be caught in every case with a gradient, not in one only


def _in_tf32(right: Callable[..., Any], *factors: Any) -> Any:
    with SimulatedTF32():
        return right(*factors)


def _softmax_without_shift(right: Any, scores: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    exponentials = scores.to(torch.promote_types(scores.dtype, torch.float32)).exp()
    p = exponentials / exponentials.sum(1, keepdim=True)
    return -p.gather(1, labels[:, None]).log().mean(), p


def _unbiased_variance(right: Any, x: torch.Tensor, dim: int, eps: float = 1e-5) -> tuple[torch.Tensor, torch.Tensor]:
    inverse_std = torch.rsqrt(x.var(dim, keepdim=True) + eps)
    return (x - x.mean(dim, keepdim=True)) * inverse_std, inverse_std


FAULTS = {
    "bias forgotten": Fault(
        "affine", "affine_forward", lambda right, x, w, b: x @ w, ("z2", "a2", *FROM_SCORES)),
    "input gradient 0.1 % too large": Fault(
        "affine", "affine_backward_input", lambda right, dy, w: 1.001 * right(dy, w), FROM_DA2, EXACT),
    "weight reshaped, not transposed": Fault(
        "affine", "affine_backward_input",
        lambda right, dy, w: dy @ w.T.contiguous().reshape(w.shape).T, FROM_DA2),
    "input gradient in float32": Fault(
        "affine", "affine_backward_input",
        lambda right, dy, w: right(dy.float(), w.float()).to(dy.dtype), FROM_DA2, ("float64",)),
    "bias gradient averaged": Fault(
        "affine", "affine_backward_parameters", lambda right, dy, x: (right(dy, x)[0], dy.mean(0)), ("b1", "b2")),
    "TF32 in the forward matmul": Fault("affine", "affine_forward", _in_tf32, FROM_SCORES, ("float32",)),
    "TF32 in the input gradient": Fault("affine", "affine_backward_input", _in_tf32, FROM_DA2, ("float32",)),
    "TF32 in the weight gradient": Fault(
        "affine", "affine_backward_parameters", _in_tf32, ("w1", "w2"), ("float32",)),
    "mask skipped": Fault("relu", "relu_backward", lambda right, dy, x, out=None: dy, FROM_DZ2),
    "mask inverted": Fault("relu", "relu_backward", lambda right, dy, x, out=None: dy * (x <= 0), FROM_DZ2),
    "mask on at exactly zero": Fault(
        "relu at the kink", "relu_backward", lambda right, dy, x, out=None: dy * (x >= 0), FROM_DZ2),
    "softmax without the shift": Fault(
        "extreme logits", "softmax_cross_entropy_forward", _softmax_without_shift, FROM_SCORES[1:]),
    "1/N missing": Fault(
        "softmax_cross_entropy", "softmax_cross_entropy_backward",
        lambda right, p, labels: p - one_hot(labels, p.shape[1]), GRADIENTS),
    "gradient zero": Fault(
        "softmax_cross_entropy", "softmax_cross_entropy_backward",
        lambda right, p, labels: 0 * right(p, labels), GRADIENTS, EVERY, everywhere=True),
    "gradient -5 times": Fault(
        "softmax_cross_entropy", "softmax_cross_entropy_backward",
        lambda right, p, labels: -5 * right(p, labels), GRADIENTS, EVERY, everywhere=True),
    "penalty missing from the loss": Fault(
        "l2_penalty", "l2_penalty_forward", lambda right, decay, *weights: 0 * right(decay, *weights), ("loss",)),
    "penalty gradient halved": Fault(
        "l2_penalty", "l2_penalty_backward",
        lambda right, dw, decay, w, out=None: right(dw, decay / 2, w, out), ("w1", "w2")),
    "leaky ReLU: slope 0.02": Fault(
        "leaky_relu", "leaky_relu_backward", lambda right, dy, x: right(dy, x, 0.02),
        dtypes=(*EXACT, "float16")),
    "leaky ReLU: slope 0": Fault(
        "leaky_relu", "leaky_relu_backward", lambda right, dy, x: right(dy, x, 0.0), dtypes=(*EXACT, "float16")),
    "GELU: density term missing": Fault(
        "gelu", "gelu_backward", lambda right, dy, x: dy * torch.special.ndtr(x)),
    "GELU: derivative of the tanh approximation": Fault(
        "gelu", "gelu_backward", lambda right, dy, x: torch.ops.aten.gelu_backward(dy, x, approximate="tanh"),
        dtypes=EXACT),
    "SiLU: second term missing": Fault("silu", "silu_backward", lambda right, dy, x: dy * torch.sigmoid(x)),
    "tanh: square missing": Fault("tanh", "tanh_backward", lambda right, dy, x: dy * (1 - torch.tanh(x))),
    "dropout: not scaled": Fault("dropout", "dropout_backward", lambda right, dy, kept, p: dy * kept),
    "dropout: mask inverted": Fault("dropout", "dropout_backward", lambda right, dy, kept, p: right(dy, ~kept, p)),
    "residual: way around forgotten": Fault("residual", "residual_backward", lambda right, dy, through: through),
    "residual: way around counted twice": Fault(
        "residual", "residual_backward", lambda right, dy, through: right(2 * dy, through)),
    "batch norm: mean held fixed": Fault(
        "batch_normalization", "standardize_backward",
        lambda right, d, xhat, r, dim: r * (d - xhat * (d * xhat).mean(dim, keepdim=True))),
    "batch norm: variance held fixed": Fault(
        "batch_normalization", "standardize_backward",
        lambda right, d, xhat, r, dim: r * (d - d.mean(dim, keepdim=True))),
    "batch norm: variance over N - 1": Fault("batch_normalization", "standardize_forward", _unbiased_variance),
    "batch norm: batch moments in evaluation": Fault(
        "running_normalization", "running_standardize_forward",
        lambda right, x, mean, variance, eps=1e-5: layers.standardize_forward(x, 0, eps)),
    "batch norm: not divided in evaluation": Fault(
        "running_normalization", "running_standardize_backward", lambda right, d, r: d),
    "layer norm: wrong axis": Fault(
        "layer_normalization", "standardize_backward",
        lambda right, d, xhat, r, dim: r * (d - d.mean(0) - xhat * (d * xhat).mean(0))),
    "layer norm: input gradient without the scale": Fault(
        "layer_normalization", "scale_shift_backward",
        lambda right, dy, xhat, scale: (dy, *right(dy, xhat, scale)[1:])),
    "layer norm: scale gradient without xhat": Fault(
        "layer_normalization", "scale_shift_backward",
        lambda right, dy, xhat, scale: (dy * scale, dy.sum(0), dy.sum(0))),
}  # fmt: skip


@contextmanager
def planted(name: str) -> Iterator[Fault]:
    """Replace the function of ``FAULTS[name]`` by its wrong version, until the block ends."""
    fault = FAULTS[name]
    right = getattr(layers, fault.function)
    setattr(layers, fault.function, partial(fault.wrong, right))
    try:
        yield fault
    finally:
        setattr(layers, fault.function, right)
