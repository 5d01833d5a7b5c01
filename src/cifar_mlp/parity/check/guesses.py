"""Which function a loss belongs to: variants of the forward pass, reduction and penalty, tried in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check.drawing import Drawn
from cifar_mlp.parity.check.tape import ACTIVATIONS, LOGARITHMS, Architecture, Tape
from cifar_mlp.parity.faults import FAULTS

FULL, HALF, NONE = 1.0, 0.5, 0.0
PENALTIES = {"full": FULL, "half": HALF, "none": NONE}
EPSILONS = (1e-8, 1e-6, 1e-7, 1e-4, 1e-3, 1e-12, 1e-9, 1e-10, 0.0)


@dataclass(frozen=True)
class Convention:
    """How examples are reduced and what the penalty counts."""

    penalty: str = "full"
    reduction: str = "mean"
    biases: bool = False

    @property
    def factor(self) -> float:
        """The penalty in units of lambda times the sum of squares."""
        return PENALTIES[self.penalty]

    def words(self, other: "Convention") -> list[str]:
        """In what this differs from the other."""
        said = {"none": "no penalty", "half": "a penalty of lambda/2 ||w||^2", "full": "a penalty of lambda ||w||^2"}
        found = [said[self.penalty] + f" in place of {said[other.penalty]}"] if self.penalty != other.penalty else []
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

    def tape(self, drawn: Drawn) -> Tape:
        """Its forward pass on another problem."""
        return Tape(shifted(drawn, self.shift), self.architecture)

    def reference(self, drawn: Drawn, regularization: float) -> tuple[float, list[dict[str, Tensor]]]:
        """Its loss and gradients."""
        tape, c = self.tape(drawn), self.convention
        data = float(tape.loss) * (len(drawn.labels) if c.reduction == "sum" else 1)
        weight = 2 * c.factor * regularization
        loss = data + c.factor * regularization * float(tape.penalty(c.biases))
        return loss, tape.backward(c.reduction, weight, weight if c.biases else 0.0)


def shifted(drawn: Drawn, shift: int) -> Drawn:
    """The problem with every label rolled on."""
    return replace(drawn, labels=(drawn.labels + shift) % drawn.sizes[-1]) if shift else drawn


def identify(
    drawn: Drawn,
    architectures: list[Architecture],
    declared: Convention,
    loss: float,
    regularization: float,
    tol: float,
) -> Guess | None:
    """The first function that gives this loss."""
    n = len(drawn.labels)
    for words, shift, architecture in _networks(drawn, architectures):
        try:
            tape = Tape(shifted(drawn, shift), architecture)
        except (RuntimeError, ValueError):
            continue
        penalties = {biases: regularization * float(tape.penalty(biases)) for biases in (False, True)}
        for convention in _conventions(declared):
            scale = n if convention.reduction == "sum" else 1
            expected = scale * float(tape.loss) + convention.factor * penalties[convention.biases]
            if abs(expected - loss) <= tol * max(abs(expected), 1e-3):
                return Guess(architecture, convention, words + convention.words(declared), shift)
        if (odd := _odd_loss(tape, loss, penalties[False], n, declared, tol)) is not None:
            return Guess(architecture, declared, words, shift, odd)
    return None


def _conventions(declared: Convention) -> list[Convention]:
    others = [
        Convention(penalty, reduction, biases)
        for reduction in ("mean", "sum")
        for penalty in PENALTIES
        for biases in ((False, True) if penalty != "none" else (False,))
    ]
    others.sort(key=lambda other: len(other.words(declared)))
    return [declared, *(other for other in others if other != declared)]


def _odd_loss(tape: Tape, loss: float, penalty: float, n: int, declared: Convention, tol: float) -> list[str] | None:
    """Values that no convention gives: another factor of the data or the penalty."""
    data, classes = float(tape.loss), tape.p.shape[1]
    norm = sum(float(part["weight"].norm()) for part in tape.drawn.parameters)
    squares = [float(part["weight"].square().sum()) for part in tape.drawn.parameters]
    lam = penalty / sum(squares)
    factors = {"": 1.0, "the data loss is divided by the number of classes": 1 / classes,
               "the data loss is divided by N twice": 1 / n, "the sign of the data loss is reversed": -1.0,
               "the data loss is summed and then divided by the number of classes": n / classes}  # fmt: skip
    factors |= {f"the logarithm is {base}": 1 / log for base, log in LOGARITHMS.items()}
    at_label = float(tape.p.gather(1, tape.drawn.labels[:, None]).mean())
    datas = {words: factor * data for words, factor in factors.items()}
    datas |= {"the loss is the mean probability of the label, without a logarithm": -at_label}
    for eps in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10):
        moved = -(tape.p.gather(1, tape.drawn.labels[:, None]) + eps).log().mean()
        datas[f"the logarithm is of p + {eps:g}"] = float(moved)
    at = declared.factor
    penalties = {"": at * penalty, "the penalty is missing": 0.0,
                 "the penalty is divided by N": at * penalty / n, "the penalty is divided by 2N": penalty / 2 / n,
                 "the penalty is not squared": lam * norm, "the penalty is a quarter": penalty / 4,
                 "the sign of the penalty is reversed": -at * penalty,
                 "the penalty is twice as large": 2 * at * penalty}  # fmt: skip
    if declared.reduction == "sum":
        datas = {words: value * n for words, value in datas.items()}
    for index, square in enumerate(squares):
        if len(squares) > 1:
            penalties[f"the penalty counts only the weights of layer {index + 1}"] = at * lam * square
            penalties[f"the penalty leaves out the weights of layer {index + 1}"] = at * lam * (sum(squares) - square)
    penalties["the penalty is of the weights' sums, not of their squares"] = (
        at * lam * sum(float(part["weight"].sum()) for part in tape.drawn.parameters)
    )
    penalties["the penalty is of absolute values, not of squares"] = (
        at * lam * sum(float(part["weight"].abs().sum()) for part in tape.drawn.parameters)
    )
    for said, value in datas.items():
        for also, added in penalties.items():
            if (said or also) and abs(value + added - loss) <= tol * max(abs(loss), 1e-3):
                return [words for words in (said, also) if words]
    return None


def _networks(drawn: Drawn, architectures: list[Architecture]) -> Iterator[tuple[list[str], int, Architecture]]:
    for architecture in architectures:
        yield [], 0, architecture
    last = drawn.sizes[-1]
    for architecture in architectures[:8]:
        for shift in (1, -1):
            if last > 2:
                yield ["the labels are off by one"], shift, architecture
        for words, swaps in _forward_slips(len(drawn.parameters)):
            yield [words], 0, replace(architecture, swaps=swaps)
        if architecture.dropout:
            yield ["no dropout"], 0, replace(architecture, dropout=0.0)


def _forward_slips(depth: int) -> Iterator[tuple[str, dict[tuple[str, int | None], Any]]]:
    for name, fault in FAULTS.items():
        if fault.function.endswith("forward") and "float64" in fault.dtypes and "running" not in fault.function:
            yield name, {(fault.function, None): fault.wrong}
    for index in range(depth):
        yield f"bias {index + 1} is forgotten", {("affine_forward", index): lambda right, x, w, b: x @ w}
        if index + 1 < depth:
            yield f"the activation of layer {index + 1} is missing", {("activation", index): lambda u: u}

    def of(probabilities: Callable[[Tensor], Tensor]) -> dict[tuple[str, int | None], Any]:
        """The cross-entropy of probabilities that are not the softmax of the scores."""

        def loss(right: Any, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            p = probabilities(scores)
            return -p.gather(1, labels[:, None]).log().mean(), p

        return {("softmax_cross_entropy_forward", None): loss}

    def squared(right: Any, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        p = scores.softmax(1)
        return (p - torch.nn.functional.one_hot(labels, p.shape[1])).square().sum(1).mean(), p

    yield "relu is applied to the scores as well", of(lambda scores: scores.relu().softmax(1))
    yield "sigmoid is applied to the scores as well", of(lambda scores: scores.sigmoid().softmax(1))
    yield "tanh is applied to the scores as well", of(lambda scores: scores.tanh().softmax(1))
    yield "softmax is taken over the examples, not over the classes", of(lambda scores: scores.softmax(0))
    yield "softmax divides by the sum over the examples, not over the classes", of(
        lambda scores: (e := (scores - scores.amax(1, keepdim=True)).exp()) / e.sum(0))  # fmt: skip
    yield (
        "softmax divides by the sum over the whole batch",
        of(lambda scores: scores.flatten().softmax(0).view_as(scores)),
    )
    yield "softmax is applied twice", of(lambda scores: scores.softmax(1).softmax(1))
    yield "the loss is the squared error of the probabilities", {("softmax_cross_entropy_forward", None): squared}
    for words, dropped in {
        "does not divide by the keep probability": lambda right, x, kept, p: x * kept,
        "keeps what the mask drops": lambda right, x, kept, p: right(x, ~kept, p),
        "multiplies by the keep probability": lambda right, x, kept, p: x * kept * (1 - p),
    }.items():
        yield f"dropout {words}", {("dropout_forward", None): dropped}

    def standardized(inverse: Callable[[Tensor, float], Tensor]) -> dict[tuple[str, int | None], Any]:
        def wrong(right: Any, x: Tensor, dim: int, eps: float) -> tuple[Tensor, Tensor]:
            r = inverse(x.var(dim, unbiased=False, keepdim=True), eps)
            return (x - x.mean(dim, keepdim=True)) * r, r

        return {("standardize_forward", None): wrong}

    yield "the normalization adds epsilon outside the root", standardized(lambda v, eps: 1 / (v.sqrt() + eps))
    yield "the normalization divides by the variance, not by its root", standardized(lambda v, eps: 1 / (v + eps))
    yield (
        "the normalization does not subtract the mean",
        {("standardize_forward", None): lambda right, x, dim, eps: (x * (r := right(x, dim, eps)[1]), r)},
    )


def architectures_for(
    drawn: Drawn, activation: str | None, normalization: str | None, dropout: float
) -> list[Architecture]:
    """What the user left open, in order of likelihood."""
    names = [activation] if activation else list(ACTIVATIONS)
    has_norm = any("gamma" in part for part in drawn.parameters)
    kinds = [normalization] if normalization else (["batch", "layer"] if has_norm else [None])
    made = [Architecture(name, kind, dropout=dropout) for name in names for kind in kinds]
    return made + ([replace(one, epsilon=eps) for one in made for eps in EPSILONS] if has_norm else [])
