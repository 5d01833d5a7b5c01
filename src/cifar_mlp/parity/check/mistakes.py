"""Wrong versions of every step of a backward pass: the faults of the one table, and right formulas of wrong tensors."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity import layers
from cifar_mlp.parity.check.forward_pass import ACTIVATIONS, ForwardPass
from cifar_mlp.parity.check.loss_variants import PROBABILITIES
from cifar_mlp.parity.check.relations import combination, sum_words
from cifar_mlp.parity.check.written_forms import formula_terms, of_own_dscores
from cifar_mlp.parity.faults import FAULTS

# Shape legend: N = examples, I, O = input and output features of a layer

ADDED_UP = "of an example contains those of the examples before it: the sum must begin at 0 for each"
THRESHOLDS = (0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, -0.1, -0.5, -1.0)  # of a wrong mask


class Step(NamedTuple):
    """One version of a gradient in the chain; ``direction`` may be added in any multiple."""

    words: str  # empty for the right one
    value: Tensor
    direction: Tensor | None = None
    of_factor: Callable[[float], str] = "{:.4g} times".format
    terms: Mapping[str, Tensor] | None = None  # the value may be any sum of a few multiples of these
    needed: Tensor | None = None  # the right value, if it is a sum of the same terms

    def of_terms(self, factors: Mapping[str, float]) -> str:
        """The words where the value is this sum of multiples of the terms."""
        right = combination(self.needed, self.terms, 1e-9) if self.needed is not None and self.terms else {}
        return f"{self.words} {sum_words(factors)}" + (f", and should be {sum_words(right)}" if right else "")


def table(function: str, *arguments: Any, at: str = "") -> Iterator[Step]:
    """The results of every fault of a function of ``layers``."""
    for name, fault in FAULTS.items():
        if fault.function == function and "float64" in fault.dtypes:
            try:
                yield Step(f"{at}: {name}" if at else name, fault.wrong(getattr(layers, function), *arguments))
            except (RuntimeError, TypeError, IndexError):  # takes what this function is not given here
                continue


def in_scores(passed: ForwardPass, reduction: str) -> Iterator[Step]:
    """The gradient in the scores."""
    if passed.theirs:
        yield Step("", passed.dscores)
        yield Step("dscores", torch.zeros_like(passed.dscores), passed.dscores)
        if (theirs := passed.theirs[-1]) is not None:
            yield from (Step(words, theirs) for words in of_own_dscores(passed, theirs))
        return
    p, scores, scale = passed.p, passed.scores, float(len(passed.p)) if reduction == "sum" else 1.0
    hot = one_hot(passed.drawn.labels, p.shape[1]).double()
    right = passed.dscores * scale
    yield Step("", right)
    for step in table("softmax_cross_entropy_backward", p, passed.drawn.labels):
        yield step._replace(value=step.value * scale)
    probabilities = {
        **{words: of(scores) for words, of in PROBABILITIES.items()},
        "dscores uses the scores in place of the probabilities": scores,
        "dscores uses the scores - max in place of the probabilities": scores - scores.amax(1, keepdim=True),
        "dscores uses exp(scores), which is not divided by its sum": scores.exp(),
        "dscores uses exp(scores - max), which is not divided by its sum": p / p.amax(1, keepdim=True),
        "dscores uses the logarithm of the probabilities": p.log(),
        "dscores uses a sigmoid in place of softmax": scores.sigmoid(),
    }
    for words, q in probabilities.items():
        yield Step(words, (q - hot) * scale / len(p))
        yield Step(f"{words}, and the label is not subtracted", q * scale / len(p))
    for name in ("relu", "sigmoid", "tanh"):
        yield Step(f"the derivative of {name} is applied to the scores, which have no activation",
                   ACTIVATIONS[name][1](right, scores))  # fmt: skip
    yield Step("the derivative of sigmoid is applied to the probabilities", ACTIVATIONS["sigmoid"][1](right, p))
    yield Step(f"dscores {ADDED_UP}", right.cumsum(0))
    words = "the label is subtracted in the wrong multiple"
    yield Step(words, p * scale / len(p), -hot * scale / len(p), "{:.4g} in place of 1".format)
    yield Step("dscores", torch.zeros_like(right), right)


def into_output(
    passed: ForwardPass, index: int, dz: Tensor, da: Tensor | None, gradient: Tensor | None
) -> Iterator[Step]:
    """The gradient in a hidden layer's output, from dz and da of the layer above and that layer's weight gradient."""
    w, above = passed.drawn.parameters[index + 1]["weight"], index + 1
    right = layers.affine_backward_input(dz, w)
    yield Step("", right)
    yield from table("affine_backward_input", dz, w, at=f"da{above}")
    yield Step(f"da{above} {ADDED_UP}", right.cumsum(0))
    if (b := passed.drawn.parameters[above].get("bias")) is not None:
        words = f"da{above} keeps the bias of W{above + 1} and leaves out a unit: it is cut at the wrong end"
        for rows in (torch.cat([w[1:], b[None]]), torch.cat([b[None], w[:-1]])):
            yield Step(words, dz @ rows.T)
    yield Step(f"da{above} takes the absolute weights", dz @ w.abs().T)
    yield Step(f"da{above} takes the sign of dz{above + 1}", dz.sign() @ w.T)
    yield Step(f"da{above} takes the absolute dz{above + 1}", dz.abs() @ w.T)
    for number, parts in enumerate(passed.drawn.parameters, 1):
        for other, said in ((parts["weight"], ""), (parts["weight"].T, ", not transposed" * (number == above + 1))):
            if other.shape == w.shape and other is not w:
                yield Step(f"da{above} takes W{number}{said or f' where it needs W{above + 1}'}", dz @ other.T)
    for name, other in of_width(passed, dz.shape[1]):
        if not torch.equal(other, dz):
            words = f"da{above} takes {name} where it should take dz{above + 1}"
            yield Step(words, other @ w.T)
            yield Step(words, other @ w.T / len(dz))
    if da is not None:  # the layer above is hidden
        again = passed.activation_backward(dz, passed.u[index + 1])
        yield Step(f"the derivative of layer {above + 1}'s activation is applied twice on the way down", again @ w.T)
        yield Step(f"the derivative of layer {above + 1}'s activation is left out on the way down", da @ w.T)
    if gradient is not None:
        words = f"W{above + 1} was updated before da{above} was computed: the step must come after the backward pass"
        for step in (gradient, passed.x[index + 1].T @ dz):  # with the penalty, without
            yield Step(words, right, dz @ step.T, lambda c: "")
        yield Step(f"da{above} takes the gradient of W{above + 1} where it needs W{above + 1}", dz @ gradient.T)
    yield Step(f"da{above}", torch.zeros_like(right), right)
    yield Step(f"the gradient stops at layer {above + 1}: da{above} is 0", torch.zeros_like(right))


def through_dropout(passed: ForwardPass, index: int, dy: Tensor) -> Iterator[Step]:
    """The gradient in an activation's output."""
    if not (passed.drawn.kept and passed.dropout):
        yield Step("", dy)
        return
    yield Step("", passed.dropout_backward(index, dy, passed.drawn.kept[index]))
    yield from table("dropout_backward", dy, passed.drawn.kept[index], passed.dropout, at=f"layer {index + 1}")
    for number, kept in enumerate(passed.drawn.kept, 1):
        if number != index + 1 and kept.shape == dy.shape:
            words = f"layer {index + 1} takes the mask of dropout of layer {number}"
            yield Step(words, passed.dropout_backward(index, dy, kept))


def through_activation(passed: ForwardPass, index: int, dy: Tensor, original: Tensor) -> Iterator[Step]:
    """The gradient in an activation's input; ``original`` is the one before dropout's mask."""
    name, u, a, layer = passed.architecture.activation, passed.u[index], passed.a[index], index + 1
    backward, base = passed.activation_backward, name.split(" ")[0]
    yield Step("", backward(dy, u))
    yield from table(f"{base}_backward", dy, u, at=f"dz{layer}")
    yield Step(f"the derivative of {name} is missing: dz{layer} is da{layer}", dy)
    yield Step(f"the mask is taken of da{layer}, the gradient, in place of z{layer}", dy * (dy > 0))
    kinked = base in ("relu", "leaky_relu")
    turned = "the comparison is the wrong way round" if kinked else "a sign is wrong"
    yield Step(f"the derivative of {name} takes -z{layer}: {turned}", backward(dy, -u))
    yield Step(f"dz{layer} {ADDED_UP}", backward(dy, u).cumsum(0))
    if base in ("silu", "gelu"):
        gate = u.sigmoid() if base == "silu" else torch.special.ndtr(u)
        yield Step(f"the second term of the derivative of {name} is missing", dy * gate)
        yield Step(f"the second term of the derivative of {name}", dy * gate, backward(dy, u) - dy * gate)
    if kinked:
        yield Step(f"the slope in layer {layer}'s backward pass is not the forward pass's", dy * (u > 0), dy * (u <= 0),
                   "{:.4g}".format)  # fmt: skip
        words = f"dz{layer} is a constant where a unit is off: the slope must multiply da{layer}"
        yield Step(words, dy * (u > 0), (u <= 0).double(), "it is {:.4g}".format)
        for threshold in THRESHOLDS:
            words = f"the mask is too {'strict' if threshold > 0 else 'wide'}: z{layer} > {threshold}"
            yield Step(words, dy * (u > threshold))
    for other, (_, derivative) in ACTIVATIONS.items():
        if other != name and " " not in other:
            yield Step(f"the derivative is that of {other}, not of {name}", derivative(dy, u))
    yield Step(f"the derivative of {name} takes a{layer}, the output, where it needs z{layer}", backward(dy, a))
    yield Step(f"the derivative of {name} takes da{layer} where it needs z{layer}", backward(dy, dy))
    yield Step(f"the derivative of {name} is applied twice", backward(backward(dy, u), u))
    yield Step(f"dz{layer} is the derivative itself; da{layer} is missing", backward(torch.ones_like(dy), u))
    yield Step(f"da{layer} is multiplied by a{layer}, the output, not by the derivative", dy * a)
    yield Step(f"da{layer} is multiplied by z{layer}, not by the derivative", dy * u)
    yield Step(f"dz{layer} is the derivative taken of da{layer}, which is not multiplied in",
               backward(torch.ones_like(dy), dy))  # fmt: skip
    if passed.drawn.kept:
        words = f"the mask of dropout is used in place of the derivative of {name}"
        yield Step(words, original * passed.drawn.kept[index])
    if passed.xhat(index) is not None:
        yield Step(f"the derivative of {name} takes z before the normalization, not its own input",
                   backward(dy, passed.z[index]))  # fmt: skip
    for other_name, wrong_input in of_width(passed, dy.shape[1]) if passed.z else ():
        yield Step(f"the derivative of {name} takes {other_name}, not its own input", backward(dy, wrong_input))
    if base == "gelu_tanh":
        root, t = (2 / torch.pi) ** 0.5, (2 * a / u - 1)  # a = u (1 + t) / 2
        outer = dy * 0.5 * u * (1 - t * t) * root  # times 1 + 3 * 0.044715 z^2
        yield Step("the factor of z^2 in gelu's inner derivative", dy * 0.5 * (1 + t) + outer, outer * u * u,
                   "{:.6g}, not 3 * 0.044715".format)  # fmt: skip
        yield Step("the inner derivative of gelu is written as 1", dy * 0.5 * (1 + t) + outer)
    written = {"": (u, a)}
    if (xhat := passed.xhat(index)) is not None:
        written |= {", of z before the normalization": (passed.z[index],) * 2, ", of xhat": (xhat, xhat)}
    if passed.drawn.kept:
        written[", of the output after dropout"] = (passed.x[index + 1],) * 2
    for of, pair in written.items():
        terms = {words: dy * factor for words, factor in formula_terms(*pair).items()}
        needed = None if of else backward(dy, u)
        yield Step(f"the derivative of {name}{of} is written as", torch.zeros_like(dy), terms=terms, needed=needed)
    yield Step(f"dz{layer}", torch.zeros_like(dy), backward(dy, u))


def of_normalization(passed: ForwardPass, index: int) -> Iterator[tuple[str, Mapping[str, Callable[..., Any]]]]:
    """Wrong functions of a layer's normalization, by their name in ``layers``."""
    yield "", {}
    if passed.xhat(index) is not None:
        words = "the activation's derivative is taken after the normalization's, in the wrong order"
        z, u = passed.z[index], passed.u[index]
        yield words, {"standardize_backward": lambda right, *given: passed.activation_backward(right(*given), u)}
        yield "the variance term takes z where it needs xhat", {"standardize_backward": lambda right, d, xhat, r, dim: (
            r * (d - d.mean(dim, keepdim=True) - xhat * (d * z).mean(dim, keepdim=True)))}  # fmt: skip
        for name, fault in FAULTS.items():
            if fault.function in ("standardize_backward", "scale_shift_backward"):
                yield name, {fault.function: fault.wrong}


def of_width(passed: ForwardPass, width: int) -> Iterator[tuple[str, Tensor]]:
    """Every tensor (N, width) of the forward pass, with its name."""
    hot = one_hot(passed.drawn.labels, passed.p.shape[1]).double()
    found: list[tuple[str, Tensor | None]] = [(f"z{index}", z) for index, z in enumerate(passed.z, 1)]
    found += [(f"z{i} without its bias", x @ parts["weight"])
              for i, (x, parts) in enumerate(zip(passed.x, passed.drawn.parameters, strict=True), 1)]  # fmt: skip
    for index, (u, a) in enumerate(zip(passed.u, passed.a, strict=True), 1):
        found += [(f"a{index}", a), (f"u{index}", u), (f"the mask of layer {index}", (u > 0).double()),
                  (f"xhat{index}", passed.xhat(index - 1))]  # fmt: skip
    if passed.architecture.inputs != "as given":
        given, (first, *_) = passed.drawn.inputs, passed.drawn.parameters
        affine = given @ first["weight"] + first.get("bias", 0.0)
        words = "the inputs as they were passed"
        found += [(words, given), (f"z1 of {words}", affine)]
    found += [("the inputs", passed.x[0]), *((f"the output of layer {i}", x) for i, x in enumerate(passed.x[1:], 1))]
    found += [("the probabilities", passed.p), ("the one-hot labels", hot), ("p - onehot", passed.p - hot)]
    yield from ((name, tensor) for name, tensor in found if tensor is not None and tensor.shape[1] == width)
