"""Which function a loss belongs to: variants of the forward pass, reduction and penalty, tried in order."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity.check.forward_pass import ACTIVATIONS, PREPARED, Architecture, ForwardPass
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.odd_losses import odd_losses
from cifar_mlp.parity.faults import FAULTS
from cifar_mlp.parity.network import EPSILON

PENALTIES = {"full": 1.0, "half": 0.5, "none": 0.0}
EPSILONS = (1e-8, 1e-6, 1e-7, 1e-4, 1e-3, 1e-12, 1e-9, 1e-10, 0.0)
EVERY_EPSILON = (EPSILON, *EPSILONS)
SMOOTHINGS = (0.1, 0.05, 0.2)


@dataclass(frozen=True)
class Convention:
    """How examples are reduced and what the penalty counts."""

    penalty: str = "full"
    reduction: str = "mean"
    biases: bool = False
    divisor: int = 1  # of the penalty, N as well

    @property
    def factor(self) -> float:
        """The penalty in units of lambda times the sum of squares."""
        return PENALTIES[self.penalty] / self.divisor

    def _penalty_words(self) -> str:
        if self.penalty == "none":
            return "no penalty"
        over = ("2" if self.penalty == "half" else "") + ("N" if self.divisor > 1 else "")
        return f"a penalty of lambda{'/' if over else ''}{over} ||w||^2"

    def words(self, other: "Convention") -> list[str]:
        """In what this differs from the other."""
        mine, theirs = self._penalty_words(), other._penalty_words()
        found = [f"{mine} in place of {theirs}"] if mine != theirs else []
        if self.reduction != other.reduction:
            found.append(f"the {self.reduction} over the examples in place of the {other.reduction}")
        if self.biases != other.biases:
            found.append("biases penalised as well" if self.biases else "biases not penalised")
        return found


@dataclass
class Guess:
    """A function that gives the loss found."""

    architecture: Architecture
    convention: Convention
    words: list[str]  # in what it differs from the declared one; free choices are not among them
    shift: int = 0  # of the labels
    loss_only: list[str] | None = None  # mistakes in the loss's value that no convention describes

    def forward_pass(self, drawn: Drawn) -> ForwardPass:
        """Its forward pass on another problem."""
        return ForwardPass(shifted(drawn, self.shift), self.architecture)

    def reference(self, drawn: Drawn, regularization: float) -> tuple[float, list[dict[str, Tensor]]]:
        """Its loss and gradients."""
        passed, c = self.forward_pass(drawn), self.convention
        scale, weight = (len(drawn.labels) if c.reduction == "sum" else 1), c.factor * regularization
        loss = scale * float(passed.loss) + weight * squares(drawn, c.biases)
        penalised = ("weight", "bias") if c.biases else ("weight",)
        return loss, [
            {part: scale * g + (2 * weight * parts[part] if part in penalised else 0) for part, g in found.items()}
            for parts, found in zip(drawn.parameters, passed.gradients(), strict=True)
        ]


def squares(drawn: Drawn, biases: bool = False) -> float:
    """The sum of all squared weights, and biases."""
    penalised = ("weight", "bias") if biases else ("weight",)
    return sum(float(value.square().sum()) for part in drawn.parameters for n, value in part.items() if n in penalised)


def shifted(drawn: Drawn, shift: int) -> Drawn:
    """The problem with every label rolled on."""
    return replace(drawn, labels=(drawn.labels + shift) % drawn.sizes[-1]) if shift else drawn


def identify(drawn: Drawn, architectures: list[Architecture], declared: Convention, loss: float,
             regularization: float, tolerance: float) -> Guess | None:  # fmt: skip
    """The first function that gives this loss."""
    penalties = {biases: regularization * squares(drawn, biases) for biases in (False, True)}
    for words, shift, architecture in _networks(drawn, architectures):
        try:
            passed = ForwardPass(shifted(drawn, shift), architecture)
        except (RuntimeError, ValueError):
            continue
        for convention in _conventions(declared, len(drawn.labels)):
            scale = len(drawn.labels) if convention.reduction == "sum" else 1
            expected = scale * float(passed.loss) + convention.factor * penalties[convention.biases]
            if abs(expected - loss) <= tolerance * max(abs(expected), 1e-3):
                return Guess(architecture, convention, words + convention.words(declared), shift)
        summed = declared.reduction == "sum"
        for odd, value in odd_losses(passed, regularization, declared.factor, summed):
            if odd and abs(value - loss) <= tolerance * max(abs(loss), 1e-3):
                return Guess(architecture, declared, words, shift, odd)
    return None


def _conventions(declared: Convention, n: int) -> list[Convention]:
    every = [Convention(*one) for one in product(PENALTIES, ("mean", "sum"), (False, True), (1, n))]
    every = [one for one in every if one.penalty != "none" or (not one.biases and one.divisor == 1)]
    return [declared, *sorted((one for one in every if one != declared), key=lambda one: len(one.words(declared)))]


def _networks(drawn: Drawn, architectures: list[Architecture]) -> Iterator[tuple[list[str], int, Architecture]]:
    for architecture in architectures:
        yield [], 0, architecture
    for architecture in architectures[:8]:
        for inputs in PREPARED:
            yield [], 0, replace(architecture, inputs=inputs)
        for kind, eps in product(("batch", "layer"), EVERY_EPSILON[:3]) if architecture.normalization is None else ():
            yield [], 0, replace(architecture, normalization=kind, epsilon=eps)  # without scale and shift
    for architecture in architectures:
        for smoothing in SMOOTHINGS:
            yield [f"labels smoothed by {smoothing}"], 0, replace(architecture, smoothing=smoothing)
    for architecture in architectures[:8]:
        if drawn.sizes[-1] > 2:
            for shift in (1, -1):
                yield ["the labels are off by one"], shift, architecture
        for name, fault in FAULTS.items():
            if fault.function.endswith("forward") and "float64" in fault.dtypes and "running" not in fault.function:
                yield [name], 0, replace(architecture, wrong={fault.function: fault.wrong})
        for index in range(len(drawn.parameters)):
            yield [f"bias {index + 1} is forgotten"], 0, replace(architecture, without=("bias", index))
            if index + 1 < len(drawn.parameters):
                words = f"the activation of layer {index + 1} is missing"
                yield [words], 0, replace(architecture, without=("activation", index))
        for words, wrong in FORWARD.items():
            yield [words], 0, replace(architecture, wrong=wrong)
        if architecture.dropout:
            yield ["no dropout"], 0, replace(architecture, dropout=0.0)


def _loss(of: Callable[[Tensor], Tensor], right: Any, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy of probabilities that are not the softmax of the scores."""
    p = of(scores)
    return -p.gather(1, labels[:, None]).log().mean(), p


def _squared(right: Any, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    p = scores.softmax(1)
    return (p - one_hot(labels, p.shape[1])).square().sum(1).mean(), p


def _normalized(factor: Callable[..., Tensor], right: Any, x: Tensor, dim: int, eps: float) -> tuple[Tensor, Tensor]:
    r = factor(x.var(dim, unbiased=False, keepdim=True), eps)
    return (x - x.mean(dim, keepdim=True)) * r, r


def _exp(scores: Tensor) -> Tensor:
    return (scores - scores.amax(1, keepdim=True)).exp()


PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu is applied to the scores as well": lambda scores: scores.relu().softmax(1),
    "sigmoid is applied to the scores as well": lambda scores: scores.sigmoid().softmax(1),
    "tanh is applied to the scores as well": lambda scores: scores.tanh().softmax(1),
    "softmax is taken over the examples, not over the classes": lambda scores: scores.softmax(0),
    "softmax divides by the sum over the examples, not over the classes": lambda s: _exp(s) / _exp(s).sum(0),
    "softmax divides by the sum over the whole batch": lambda scores: scores.flatten().softmax(0).view_as(scores),
    "softmax subtracts each class's maximum over the examples, not each example's over the classes":
        lambda scores: (scores - scores.amax(0)).softmax(1),
    "softmax subtracts each class's mean over the examples": lambda scores: (scores - scores.mean(0)).softmax(1),
    "softmax is applied twice": lambda scores: scores.softmax(1).softmax(1),
}  # fmt: skip
FORWARD: dict[str, Mapping[str, Callable[..., Any]]] = {
    **{words: {"softmax_cross_entropy_forward": partial(_loss, of)} for words, of in PROBABILITIES.items()},
    "the loss is the squared error of the probabilities": {"softmax_cross_entropy_forward": _squared},
    "dropout does not divide by the keep probability": {"dropout_forward": lambda right, x, kept, p: x * kept},
    "dropout keeps what the mask drops": {"dropout_forward": lambda right, x, kept, p: right(x, ~kept, p)},
    "dropout multiplies by the keep probability": {"dropout_forward": lambda right, x, kept, p: x * kept * (1 - p)},
    "the normalization adds epsilon outside the root":
        {"standardize_forward": partial(_normalized, lambda variance, eps: 1 / (variance.sqrt() + eps))},
    "the normalization divides by the variance, not by its root":
        {"standardize_forward": partial(_normalized, lambda variance, eps: 1 / (variance + eps))},
    "the normalization does not subtract the mean":
        {"standardize_forward": lambda right, x, dim, eps: (x * (r := right(x, dim, eps)[1]), r)},
}  # fmt: skip


def architectures_for(
    drawn: Drawn, activation: str | None, normalization: str | None, dropout: float
) -> list[Architecture]:
    """What the user left open, in order of likelihood."""
    names = [
        name for name in ACTIVATIONS if not activation or re.fullmatch(rf"{activation}(_tanh| of slope .*)?", name)
    ]
    has_norm = any("gamma" in part for part in drawn.parameters)
    kinds = [normalization] if normalization else (["batch", "layer"] if has_norm else [None])
    made = [Architecture(name, kind, dropout=dropout) for name in names for kind in kinds]
    return made + ([replace(one, epsilon=eps) for one in made for eps in EPSILONS] if has_norm else [])
