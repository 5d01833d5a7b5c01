"""Wrong versions of the functions of :mod:`cifar_mlp.parity.layers`: the one table of mistakes.

The tests and the self-test of ``compare`` plant them one at a time, by replacing the function while it is in use: a
comparison that misses one proves nothing by passing. ``check`` names those that explain somebody's gradients.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
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


def _softmax_without_shift(right: Any, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    exponentials = scores.to(torch.promote_types(scores.dtype, torch.float32)).exp()
    p = exponentials / exponentials.sum(1, keepdim=True)
    loss = right(scores, labels)[0] if labels.is_floating_point() else -p.gather(1, labels[:, None]).log().mean()
    return loss, p


def _unbiased_variance(right: Any, x: Tensor, dim: int, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    inverse_std = torch.rsqrt(x.var(dim, keepdim=True) + eps)
    return (x - x.mean(dim, keepdim=True)) * inverse_std, inverse_std


FAULTS = {
    "bias forgotten": Fault(
        "affine", "affine_forward", lambda right, x, w, b: x @ w, ("z2", "a2", *FROM_SCORES)),
    "input gradient 0.1 % too large": Fault(
        "affine", "affine_backward_input", lambda right, dy, w: 1.001 * right(dy, w), FROM_DA2, EXACT),
    "weight reshaped, not transposed": Fault(
        "affine", "affine_backward_input",
        lambda right, dy, w: dy @ w.reshape(w.shape[::-1]), FROM_DA2),
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
        lambda right, p, labels: right(p, labels) * len(p), GRADIENTS),
    "gradient zero": Fault(
        "softmax_cross_entropy", "softmax_cross_entropy_backward",
        lambda right, p, labels: 0 * right(p, labels), GRADIENTS, EVERY, everywhere=True),
    "gradient -5 times": Fault(
        "softmax_cross_entropy", "softmax_cross_entropy_backward",
        lambda right, p, labels: -5 * right(p, labels), GRADIENTS, EVERY, everywhere=True),
    "targets rounded to their largest class": Fault(
        "two labels", "softmax_cross_entropy_backward",
        lambda right, p, labels: right(p, labels.argmax(1) if labels.is_floating_point() else labels)),
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
    "SiLU: 1 - s(x) missing in the second term": Fault(
        "silu", "silu_backward", lambda right, dy, x: dy * torch.sigmoid(x) * (1 + x)),
    "GELU: the density in place of the distribution": Fault(
        "gelu", "gelu_backward", lambda right, dy, x: dy * (1 + x) * torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)),
    "tanh: square missing": Fault("tanh", "tanh_backward", lambda right, dy, x: dy * (1 - torch.tanh(x))),
    "residual: way around forgotten": Fault("residual", "residual_backward", lambda right, dy, through: through),
    "residual: way around counted twice": Fault(
        "residual", "residual_backward", lambda right, dy, through: right(2 * dy, through)),
    "batch norm: variance over N - 1": Fault("batch_normalization", "standardize_forward", _unbiased_variance),
    "batch norm: batch moments in evaluation": Fault(
        "running_normalization", "running_standardize_forward",
        lambda right, x, mean, variance, eps=1e-5: layers.standardize_forward(x, 0, eps)),
    "batch norm: not divided in evaluation": Fault(
        "running_normalization", "running_standardize_backward", lambda right, d, r: d),
    "the scale gamma is missing in dxhat": Fault(
        "layer_normalization", "scale_shift_backward",
        lambda right, dy, xhat, scale: (dy, *right(dy, xhat, scale)[1:])),
    "the gradient of gamma lacks xhat: it sums dy": Fault(
        "layer_normalization", "scale_shift_backward",
        lambda right, dy, xhat, scale: (dy * scale, dy.sum(0), dy.sum(0))),
}  # fmt: skip

DSCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # N dscores, of probabilities p and targets t, both (N, C)
    "the label is not subtracted: dscores is p, not p - onehot": lambda p, t: p,
    "p is missing: dscores is -onehot": lambda p, t: -t,
    "dscores subtracts the label with the wrong sign: p + onehot": lambda p, t: p + t,
    "1 is subtracted in the columns of all labels, not at each example's label":
        lambda p, t: p - (t.sum(0, keepdim=True) > 0).to(p.dtype),
    "the labels are off by one, too high": lambda p, t: p - t.roll(1, 1),
    "the labels are off by one, too low": lambda p, t: p - t.roll(-1, 1),
    "the label's number is subtracted from every column, not 1 from its own":
        lambda p, t: p - t.argmax(1, keepdim=True),
    "dscores is divided by N with //, which rounds down": lambda p, t: ((p - t) / len(p)).floor() * len(p),
    "the largest score's class is subtracted, not the label": lambda p, t: p - one_hot(p.argmax(1), p.shape[1]),
    "the smallest score's class is subtracted, not the label": lambda p, t: p - one_hot(p.argmin(1), p.shape[1]),
    "the second score's class is subtracted, not the label":
        lambda p, t: p - one_hot(p.topk(min(2, p.shape[1]), 1).indices[:, -1], p.shape[1]),
    "softmax is differentiated again: p - onehot already contains its derivative":
        lambda p, t: p * (p - t - ((p - t) * p).sum(1, keepdim=True)),
    "dscores is multiplied by p (1 - p): p - onehot already contains softmax's derivative":
        lambda p, t: (p - t) * p * (1 - p),
    "dscores is the gradient in the probabilities, -onehot / p, not in the scores": lambda p, t: -t / p,
    "softmax's Jacobian is taken as diagonal, p (1 - p): only the label's column is not 0": lambda p, t: t * (p - 1),
    "dscores is the absolute value, |p - onehot|": lambda p, t: (p - t).abs(),
    "dscores leaves out the label's column": lambda p, t: (p - t) * (1 - t),
    "-1 replaces p in the label's column, it is not added": lambda p, t: p * (1 - t) - t,
    "dscores is of the squared error, not of the cross-entropy": lambda p, t: 2 * (p - t) * p * (1 - p),
    "the derivative of tanh is applied to the probabilities": lambda p, t: (p - t) * (1 - p.tanh() ** 2),
}  # fmt: skip

DROPOUT: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "dropout's division by the keep probability is missing": lambda dy, kept, p: dy * kept,
    "dropout's mask is inverted": lambda dy, kept, p: dy * ~kept / (1 - p),
    "dropout's mask is missing in the backward pass": lambda dy, kept, p: dy,
    "dropout's mask is missing in the backward pass, its factor 1/keep is there": lambda dy, kept, p: dy / (1 - p),
    "dropout divides by the keep probability twice": lambda dy, kept, p: dy * kept / (1 - p) ** 2,
    "dropout multiplies by the keep probability in the backward pass": lambda dy, kept, p: dy * kept * (1 - p),
    "dropout divides by the drop probability": lambda dy, kept, p: dy * kept / p,
}

MOMENTS: dict[str, Callable[[float, float, Tensor], tuple[Any, Any]]] = {  # factors of the terms of mean and variance
    "mean and variance are held fixed: dz is r dxhat": lambda count, other, r: (0, 0),
    "the mean is held fixed": lambda count, other, r: (0, 1),
    "the variance is held fixed": lambda count, other, r: (1, 0),
    "the mean of dxhat is a sum": lambda count, other, r: (count, 1),
    "the mean in the variance term is a sum": lambda count, other, r: (1, count),
    "both means are sums": lambda count, other, r: (count, count),
    "both means divide by the other dimension, examples in place of features or the reverse":
        lambda count, other, r: (count / other, count / other),
    "the variance term is half of the right one: a 2 is missing": lambda count, other, r: (1, 0.5),
    "the variance term is twice the right one: the 1/2 of the root is missing": lambda count, other, r: (1, 2),
    "the variance term has the wrong sign": lambda count, other, r: (1, -1),
    "the mean term has the wrong sign": lambda count, other, r: (-1, 1),
    "the variance is taken over N - 1": lambda count, other, r: (1, count / (count - 1)),
    "the variance term has r^2 in place of r^3": lambda count, other, r: (1, 1 / r),
    "the variance term has r in place of r^3": lambda count, other, r: (1, r**-2),
    "the variance term has r^4 in place of r^3": lambda count, other, r: (1, r),
}  # fmt: skip
STANDARDIZATION: dict[str, Callable[..., Tensor]] = {
    "the normalization is passed through: dz is dxhat": lambda right, d, xhat, r, dim: d,
    "xhat is missing in the variance term": lambda right, d, xhat, r, dim: (
        r * (d - d.mean(dim, keepdim=True) - (d * xhat).mean(dim, keepdim=True))),
    "the normalization's factor r is missing": lambda right, d, xhat, r, dim: right(d, xhat, torch.ones_like(r), dim),
    "the normalization's factor r is r^2": lambda right, d, xhat, r, dim: right(d, xhat, r**2, dim),
    "the normalization's factor r is the deviation, multiplied, not divided by":
        lambda right, d, xhat, r, dim: right(d, xhat, 1 / r, dim),
}  # fmt: skip


def _of_scores(wrong: Callable[..., Tensor], right: Any, p: Tensor, labels: Tensor) -> Tensor:
    targets = labels if labels.is_floating_point() else one_hot(labels, p.shape[1]).to(p.dtype)
    return wrong(p, targets) / len(p)


def _of_dropout(wrong: Callable[..., Tensor], right: Any, dy: Tensor, kept: Tensor, probability: float) -> Tensor:
    return wrong(dy, kept, probability)


def _of_moments(wrong: Callable[..., Any], right: Any, d: Tensor, xhat: Tensor, r: Tensor, dim: int) -> Tensor:
    of_mean, of_variance = wrong(float(d.shape[dim]), float(d.shape[1 - dim]), r)
    return r * (d - of_mean * d.mean(dim, keepdim=True) - of_variance * xhat * (d * xhat).mean(dim, keepdim=True))


def _table(layer: str, function: str, wrong: Mapping[str, Any], *more: Any) -> dict[str, Fault]:
    return {name: Fault(layer, function, one, *more) for name, one in wrong.items()}


FAULTS |= _table("softmax_cross_entropy", "softmax_cross_entropy_backward",
                 {name: partial(_of_scores, wrong) for name, wrong in DSCORES.items()}, GRADIENTS)  # fmt: skip
FAULTS |= _table("dropout", "dropout_backward", {name: partial(_of_dropout, one) for name, one in DROPOUT.items()})
FAULTS |= _table("batch_normalization", "standardize_backward",
                 {name: partial(_of_moments, wrong) for name, wrong in MOMENTS.items()} | STANDARDIZATION)  # fmt: skip
FAULTS["the normalization's moments are over the wrong axis"] = Fault(
    "layer_normalization", "standardize_backward", lambda right, d, xhat, r, dim: right(d, xhat, r, 1 - dim)
)


@contextmanager
def replaced(wrong: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Replace functions of ``layers`` by name, until the block ends; each takes the right one first."""
    right = {name: getattr(layers, name) for name in wrong}
    for name, function in wrong.items():
        setattr(layers, name, partial(function, right[name]))
    try:
        yield
    finally:
        for name, function in right.items():
            setattr(layers, name, function)


@contextmanager
def planted(name: str) -> Iterator[Fault]:
    """Replace the function of ``FAULTS[name]`` by its wrong version, until the block ends."""
    fault = FAULTS[name]
    with replaced({fault.function: fault.wrong}):
        yield fault
