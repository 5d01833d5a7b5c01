"""Wrong versions of every step of a backward pass: the planted faults, and what students write."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity import layers
from cifar_mlp.parity.check.tape import ACTIVATIONS, Tape
from cifar_mlp.parity.faults import FAULTS

# Shape legend: N = examples, I, O = input and output features of a layer

THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, -0.1, -0.5, -1.0)  # of a wrong mask


class Step(NamedTuple):
    """One version of a gradient in the chain; ``direction`` may be added in any multiple."""

    words: str  # empty for the right one
    value: Tensor
    direction: Tensor | None = None
    of_factor: Callable[[float], str] = "{:.4g} times".format


def planted_versions(function: str, *arguments: Any, at: str) -> Iterator[Step]:
    """The results of every planted fault of a function of ``layers``."""
    right = getattr(layers, function, None)
    for name, fault in FAULTS.items() if right is not None else ():
        if fault.function == function and "float64" in fault.dtypes:
            try:
                yield Step(f"{at}: {name}", fault.wrong(right, *arguments))
            except (RuntimeError, TypeError, IndexError):  # takes what this function is not given here
                continue


def top(tape: Tape, reduction: str) -> Iterator[Step]:
    """The gradient in the scores."""
    p, labels, n = tape.p, tape.drawn.labels, len(tape.p)
    hot, scores = one_hot(labels, p.shape[1]).double(), tape.scores
    scale = 1.0 if reduction == "sum" else 1 / n
    right = (p - hot) * scale
    yield Step("", right)
    yield Step("the label is not subtracted: dscores is p, not p - onehot", p * scale)
    yield Step("p is missing: dscores is -onehot", -hot * scale)
    yield Step("dscores subtracts the label with the wrong sign: p + onehot", (p + hot) * scale)
    every = p.clone()
    every[:, labels] -= 1
    yield Step("1 is subtracted in the columns of all labels, not at each example's label", every * scale)
    yield Step("1 is subtracted everywhere: p - 1", (p - 1) * scale)
    for shift in (1, -1):
        yield Step("the labels are off by one", (p - hot.roll(shift, 1)) * scale)
    for words, q in _probabilities(scores):
        yield Step(words, (q - hot) * scale)
        yield Step(f"{words}, and the label is not subtracted", q * scale)
    guess = one_hot(p.argmax(1), p.shape[1])
    yield Step("the largest score's class is subtracted, not the label", (p - guess) * scale)
    yield Step("softmax is differentiated again: p - onehot already contains its derivative",
               p * (right - (right * p).sum(1, keepdim=True)))  # fmt: skip
    yield Step(
        "dscores is multiplied by p (1 - p): p - onehot already contains softmax's derivative", right * p * (1 - p)
    )
    yield Step("dscores is the gradient in the probabilities, -onehot / p, not in the scores", -hot / p * scale)
    through = -hot / p
    yield Step("softmax's Jacobian is taken as diagonal, p (1 - p)", through * p * (1 - p) * scale)
    for words, other in {"smallest": scores.argmin(1), "second": scores.topk(2, 1).indices[:, 1]}.items():
        again = one_hot(other, p.shape[1])
        yield Step(f"the {words} score's class is subtracted, not the label", (p - again) * scale)
    yield Step("dscores counts only the label's column", right * hot)
    yield Step("dscores leaves out the label's column", right * (1 - hot))
    yield Step("dscores is of the squared error, not of the cross-entropy", 2 * right * p * (1 - p))
    for name in ("relu", "sigmoid", "tanh"):
        yield Step(f"the derivative of {name} is applied to the scores, which have no activation",
                   ACTIVATIONS[name][1](right, scores))  # fmt: skip
    for name in ("sigmoid", "tanh"):
        yield Step(f"the derivative of {name} is applied to the probabilities", ACTIVATIONS[name][1](right, p))
    yield Step("dscores is averaged over the classes", right - right.mean(1, keepdim=True))
    yield from planted_versions("softmax_cross_entropy_backward", p, labels, at="dscores")
    yield Step("dscores", torch.zeros_like(right), right)


def _probabilities(scores: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield "softmax is taken over the examples, not over the classes", scores.softmax(0)
    yield "dscores uses the scores in place of the probabilities", scores
    yield "dscores uses exp(scores), which is not divided by its sum", scores.exp()
    shifted = (scores - scores.amax(1, keepdim=True)).exp()
    yield "dscores uses exp(scores - max), which is not divided by its sum", shifted
    yield "softmax divides by the sum over the examples, not over the classes", shifted / shifted.sum(0)
    whole = (scores - scores.max()).exp()
    yield "softmax divides by the sum over the whole batch", whole / whole.sum()
    yield "dscores uses the logarithm of the probabilities", scores.log_softmax(1)
    yield "dscores uses a sigmoid in place of softmax", scores.sigmoid()
    yield "softmax is applied twice", scores.softmax(1).softmax(1)


def into_output(tape: Tape, index: int, dz: Tensor, gradient: Tensor | None) -> Iterator[Step]:
    """The gradient in a hidden layer's output, from dz of the layer above and that layer's weight gradient."""
    w, above = tape.drawn.parameters[index + 1]["weight"], index + 1
    right = layers.affine_backward_input(dz, w)
    yield Step("", right)
    yield from planted_versions("affine_backward_input", dz, w, at=f"da{above}")
    yield Step(f"da{above} takes W{above + 1} reshaped, not transposed", dz @ w.reshape(w.shape[1], w.shape[0]))
    yield Step(f"da{above} takes the absolute weights", dz @ w.abs().T)
    for name, other in of_width(tape, dz.shape[1]):
        if not torch.equal(other, dz):
            words = f"da{above} takes {name} where it should take dz{above + 1}"
            yield Step(words, other @ w.T, None)
            yield Step(words, other @ w.T / len(dz), None)
    kind = tape.architecture
    if index + 1 < len(tape.u):  # the layer above is hidden: its activation's derivative left out or taken twice
        again = ACTIVATIONS[kind.activation][1](dz, tape.u[index + 1])
        yield Step(f"the derivative of layer {above + 1}'s activation is applied twice on the way down", again @ w.T)
    if gradient is not None:
        words = f"W{above + 1} was updated before da{above} was computed: the step must come after the backward pass"
        yield Step(words, right, dz @ gradient.T, lambda c: "")
        yield Step(f"da{above} takes the gradient of W{above + 1} where it needs W{above + 1}", dz @ gradient.T)
    yield Step(f"da{above}", torch.zeros_like(right), right)
    yield Step(f"the gradient stops at layer {above + 1}: da{above} is 0", torch.zeros_like(right))


def through_dropout(tape: Tape, index: int, dy: Tensor) -> Iterator[Step]:
    """The gradient in an activation's output."""
    if not (tape.drawn.kept and tape.architecture.dropout):
        yield Step("", dy)
        return
    kept, p = tape.drawn.kept[index], tape.architecture.dropout
    yield Step("", layers.dropout_backward(dy, kept, p))
    yield Step("dropout's mask is missing in the backward pass", dy)
    yield Step("dropout's mask is missing in the backward pass, its factor 1/keep is there", dy / (1 - p))
    yield Step("dropout divides by the keep probability twice", dy * kept / (1 - p) ** 2)
    yield Step("dropout multiplies by the keep probability in the backward pass", dy * kept * (1 - p))
    yield Step("dropout divides by the drop probability", dy * kept / p)
    yield from planted_versions("dropout_backward", dy, kept, p, at=f"layer {index + 1}")


def through_activation(tape: Tape, index: int, dy: Tensor, original: Tensor) -> Iterator[Step]:
    """The gradient in an activation's input."""
    name, u, a, layer = tape.architecture.activation, tape.u[index], tape.a[index], index + 1
    backward = ACTIVATIONS[name][1]
    yield Step("", backward(dy, u))
    base = name.split(" ")[0]
    yield from planted_versions(f"{base}_backward", dy, u, at=f"dz{layer}")
    yield Step(f"the derivative of {name} is missing: dz{layer} is da{layer}", dy)
    yield Step(f"the mask is taken of da{layer}, the gradient, in place of z{layer}", dy * (dy > 0))
    yield Step(f"the mask is taken of the inverted z{layer}", dy * (u <= 0))
    if base in ("relu", "leaky_relu"):
        yield Step(f"the slope in layer {layer}'s backward pass is not the forward pass's", dy * (u > 0), dy * (u <= 0),
                   lambda c: f"{c:.4g}")  # fmt: skip
        yield Step(f"dz{layer} is the mask itself; da{layer} is missing", (u > 0).double())
        for threshold in THRESHOLDS:
            words = f"the mask is too {'strict' if threshold > 0 else 'wide'}: z{layer} > {threshold}"
            yield Step(words, dy * (u > threshold))
        yield Step(f"the mask is of |z{layer}| > 0 or of an input that is never negative", dy * (u.abs() > 0))
    for other, (_, derivative) in ACTIVATIONS.items():
        if other != name and " " not in other:
            yield Step(f"the derivative is that of {other}, not of {name}", derivative(dy, u))
    yield Step(f"the derivative of {name} takes a{layer}, the output, where it needs z{layer}", backward(dy, a))
    yield Step(f"the derivative of {name} takes da{layer} where it needs z{layer}", backward(dy, dy))
    yield Step(f"the derivative of {name} is applied twice", backward(backward(dy, u), u))
    yield Step(f"dz{layer} is the derivative itself; da{layer} is missing", backward(torch.ones_like(dy), u))
    yield Step(f"da{layer} is multiplied by a{layer}, the output, not by the derivative", dy * a)
    yield Step(f"da{layer} is multiplied by z{layer}, not by the derivative", dy * u)
    for words, factor in {"1 - a": 1 - a, "1 - a^2": 1 - a * a, "1 + a^2": 1 + a * a, "a (1 - a)": a * (1 - a),
                          "z (1 - z)": u * (1 - u), "1 - z^2": 1 - u * u, "a^2": a * a, "a (1 + a)": a * (1 + a),
                          "a (a - 1)": a * (a - 1), "a^2 - 1": a * a - 1, "1 - |a|": 1 - a.abs(),
                          "(1 - a)^2": (1 - a) ** 2, "tanh(z)": u.tanh(), "s(z)": u.sigmoid()}.items():  # fmt: skip
        yield Step(f"the derivative of {name} is written as {words}", dy * factor)
    xhat = tape.xhat[index]
    if xhat is not None:
        for words, wrong_input in {"z before the normalization": tape.z[index], "xhat": xhat}.items():
            yield Step(f"the derivative of {name} takes {words}, not its own input", backward(dy, wrong_input))
    if tape.drawn.kept:
        yield Step(
            f"the mask of dropout is used in place of the derivative of {name}", original * tape.drawn.kept[index]
        )
    yield Step(f"dz{layer}", torch.zeros_like(dy), backward(dy, u))


def through_normalization(tape: Tape, index: int) -> Iterator[tuple[str, Callable[..., Tensor]]]:
    """Wrong backward passes of a standardization, each as a function of the right one and its arguments."""
    for name, fault in FAULTS.items():
        if fault.function == "standardize_backward":
            yield name, fault.wrong
    gamma = tape.drawn.parameters[index]["gamma"]
    yield "the normalization is passed through: dz is dxhat", lambda right, d, xhat, r, dim: d
    yield "mean and variance are held fixed: dz is r dxhat", lambda right, d, xhat, r, dim: d * r
    yield "the scale gamma is missing in dxhat", lambda right, d, xhat, r, dim: right(d / gamma, xhat, r, dim)
    yield (
        "the normalization's moments are over the wrong axis",
        lambda right, d, xhat, r, dim: right(d, xhat, r, 1 - dim),
    )
    yield "xhat is missing in the variance term", lambda right, d, xhat, r, dim: (
        r * (d - d.mean(dim, keepdim=True) - (d * xhat).mean(dim, keepdim=True)))  # fmt: skip
    for power, words in ((0, "is missing"), (2, "is r^2"), (-1, "is the deviation, multiplied, not divided by")):
        yield f"the normalization's factor r {words}", lambda right, d, xhat, r, dim, power=power: (
            right(d, xhat, r**power, dim))  # fmt: skip
    for words, of_mean, of_variance in _moments(tape.z[index].shape, tape.inverse_std[index]):

        def wrong(
            right: Any, d: Tensor, xhat: Tensor, r: Tensor, dim: int, a: Any = of_mean, b: Any = of_variance
        ) -> Tensor:
            along_mean, along_variance = d.mean(dim, keepdim=True), (d * xhat).mean(dim, keepdim=True)
            return r * (d - a(dim) * along_mean - b(dim) * xhat * along_variance)

        yield words, wrong


def _moments(shape: Sequence[int], r: Tensor) -> Iterator[tuple[str, Callable[[int], Any], Callable[[int], Any]]]:
    """Wrong factors of the terms of the mean and of the variance, by the axis."""
    one, count = (lambda dim: 1.0), (lambda dim: shape[dim])
    yield "the mean of dxhat is a sum", count, one
    yield "the mean in the variance term is a sum", one, count
    yield "both means are sums", count, count
    yield "the variance term is half of the right one: a 2 is missing", one, lambda dim: 0.5
    yield "the variance term is twice the right one: the 1/2 of the root is missing", one, lambda dim: 2.0
    yield "the variance term has the wrong sign", one, lambda dim: -1.0
    yield "the mean term has the wrong sign", lambda dim: -1.0, one
    yield "the variance is taken over N - 1", one, lambda dim: shape[dim] / (shape[dim] - 1)
    yield "the variance term has r^2 in place of r^3", one, lambda dim: r**-1
    yield "the variance term has r in place of r^3", one, lambda dim: r**-2
    yield "the variance term has r^4 in place of r^3", one, lambda dim: r


def of_width(tape: Tape, width: int) -> Iterator[tuple[str, Tensor]]:
    """Every tensor (N, width) of the forward pass, with its name."""
    for index, z in enumerate(tape.z):
        if z.shape[1] == width:
            yield (f"z{index + 1}", z)
    for index, a in enumerate(tape.a):
        if a.shape[1] == width:
            yield f"a{index + 1}", a
            yield f"u{index + 1}", tape.u[index]
            yield f"the mask of layer {index + 1}", (tape.u[index] > 0).double()
            if tape.xhat[index] is not None:
                yield f"xhat{index + 1}", tape.xhat[index]  # type: ignore[misc]
    if tape.x[0].shape[1] == width:
        yield "the inputs", tape.x[0]
    for x_index, x in enumerate(tape.x[1:], start=1):
        if x.shape[1] == width:
            yield f"the output of layer {x_index}", x
    if tape.p.shape[1] == width:
        hot = one_hot(tape.drawn.labels, width).double()
        yield from (("the probabilities", tape.p), ("the one-hot labels", hot), ("p - onehot", tape.p - hot))
