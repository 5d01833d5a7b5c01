"""The mistakes that reproduce a student's gradients exactly, found layer by layer from the scores down."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.check import mistakes
from cifar_mlp.parity.check.forward_pass import ForwardPass
from cifar_mlp.parity.check.one_tensor import SOLVABLE, Sought, in_one_tensor
from cifar_mlp.parity.check.relations import combination, factor_words, unequal_counts

# Shape legend: N = examples, I, O = input and output features of a layer

WIDTH = 5  # explanations kept from layer to layer
MOST = 2  # mistakes in one layer's part of the chain


@dataclass
class Story:
    """One explanation down to some layer."""

    words: dict[str, list[str]] = field(default_factory=dict)  # a mistake, and the tensors where it stands
    dz: Tensor | None = None
    da: Tensor | None = None  # the gradient in this layer's output, if it is a hidden one

    @property
    def cost(self) -> int:
        return len(self.words)

    def plus(self, words: str, tensor: str = "") -> "Story":
        """This and one more mistake."""
        known = {key: list(value) for key, value in self.words.items()}
        known.setdefault(words, []).extend([tensor] if tensor else [])
        return Story(known, self.dz, self.da)


def explain(sought: Sought) -> tuple[list[str], int | None]:
    """The fewest mistakes in words, and the first layer (from the top, counted from 1) that none explains."""
    stories, stuck = [Story()], None
    for index in reversed(range(len(sought.gradients))):
        found = [new for story in stories for new in _down(sought, index, story)]
        if not found:
            stuck = index + 1
            break
        stories = sorted(found, key=lambda story: (story.cost, sum(map(bool, story.words.values()))))[:WIDTH]
    said = stories[0].words.items()
    return [f"{', '.join(dict.fromkeys(where))}: {words}" if where else words for words, where in said], stuck


def _down(sought: Sought, index: int, story: Story) -> list[Story]:
    """Every continuation of an explanation to the next layer; the right chain alone if it needs no mistake."""
    found: list[Story] = []
    for most in range(MOST + 1):
        for words, step, norm in _chain(sought, index, story, most):
            new = _locals(sought, index, story, words, step, norm)
            if new is not None:
                found.append(new)
                if not words and new.cost == story.cost:
                    return [new]
        if found and min(new.cost for new in found) <= story.cost + most + (len(sought.gradients[index]) > 1):
            break
    return found


def _chain(sought: Sought, index: int, story: Story, count: int) -> Iterator[tuple[list[str], mistakes.Step, Any]]:
    """Versions of the gradient in a layer's activation input, with exactly ``count`` mistakes."""
    passed = sought.passed
    if index + 1 == len(passed.z):
        for step in mistakes.in_scores(passed, sought.reduction) if count < 2 else ():
            if bool(step.words) == bool(count):
                yield [step.words][:count], step, {}
        return
    assert story.dz is not None
    gradient = sought.gradients[index + 1].get("weight")
    for first in mistakes.into_output(passed, index, story.dz, story.da, gradient):
        one = bool(first.words)
        for second in _allowed(mistakes.through_dropout(passed, index, first.value), count - one):
            two = one + bool(second.words)
            steps = mistakes.through_activation(passed, index, second.value, first.value)
            for third in _allowed(steps, count - two):
                three = two + bool(third.words)
                if three > count or (first.direction is not None and (second.words or third.words)):
                    continue
                direction, said = third.direction, third.of_factor
                if first.direction is not None:
                    direction, said = passed.into(index, first.direction), first.of_factor
                for name, norm in _allowed(mistakes.of_normalization(passed, index), count - three):
                    if three + bool(name) == count:
                        passed.before[index] = second.value
                        words = [words for words in (first.words, second.words, third.words, name) if words]
                        yield words, third._replace(direction=direction, of_factor=said), norm


def _allowed(versions: Iterator[Any], room: int) -> Iterator[Any]:
    """All versions where a mistake is still allowed, else the right one, which comes first."""
    return versions if room > 0 else islice(versions, 1)


def _locals(sought: Sought, index: int, story: Story, words: list[str], step: mistakes.Step, norm: Any) -> Story | None:
    """The explanation of one layer's tensors from the gradient in its activation's input."""
    passed, mine, names = sought.passed, sought.gradients[index], sought.names[index]
    try:
        tensors, dz = passed.layer_backward(index, step.value, norm)
    except (RuntimeError, IndexError):
        return None
    if step.terms:
        summed = _summed(sought, index, step.terms, norm)
        if summed is None:
            return None
        factors, tensors, dz = summed
        words = [*words[:-1], step.of_terms(factors)]
    if step.direction is not None:
        more, dz_more = passed.layer_backward(index, step.direction, norm)
        c = _multiple(sought, index, tensors, more)
        if c is None or abs(c) < 1e-12:
            return None
        tensors = {part: tensors[part] + c * more[part] for part in tensors}
        dz = dz + c * dz_more
        if (factor := step.of_factor(c)) and f"{c:.4g} times" == factor:
            factor = factor_words(c, passed.drawn)
            if abs(c - 1) < 1e-9:
                return None
        words = [*words[:-1], f"{words[-1]}: {factor}" if factor else words[-1]]
    new = Story(story.words, dz, passed.before.get(index))
    for word in words:
        new = new.plus(word)
    if words and not any(_follows(sought, index, part, tensors[part]) for part in mine):
        return None  # a mistake in the chain that leaves every tensor of the layer unexplained is none
    for part in (part for part in ("bias", "gamma", "beta", "weight") if part in mine):
        base = sought.base(index, part)
        expected = tensors[part] + (sought.penalty[part] * base if base is not None else 0)
        if not sought.close(mine[part], expected):
            said = in_one_tensor(sought, index, part, tensors[part], dz, step.value)
            if said is None:
                return None
            for one in said:
                new = new.plus(one, names[part])
    return new


def _summed(sought: Sought, index: int, terms: Mapping[str, Tensor], norm: Any) -> Any:
    """The sum of a few multiples of terms that gives the student's tensors: its factors, those tensors, and dz."""
    passed, mine = sought.passed, sought.gradients[index]
    part = "bias" if "bias" in mine and not passed.standardized else "beta" if "beta" in mine else "weight"
    target = mine[part] - sought.penalty.get(part, 0.0) * passed.drawn.parameters[index][part]
    if float(target.norm()) <= sought.floor:
        return None
    given = {name: passed.layer_backward(index, term, norm)[0][part] for name, term in terms.items()}
    factors = combination(target, given, sought.tolerance)
    if factors.keys() <= {"1"}:  # nothing, or a derivative that is missing
        return None
    tensors, dz = passed.layer_backward(index, sum(c * terms[name] for name, c in factors.items()), norm)  # type: ignore[arg-type]
    return factors, tensors, dz


def _follows(sought: Sought, index: int, part: str, right: Tensor) -> bool:
    """Whether a tensor is what the chain gives, with any share of the penalty."""
    mine, base = sought.gradients[index][part], sought.base(index, part)
    if mine.shape != right.shape:
        return False
    return sought.close(mine, right) if base is None else (
        sought.fit(mine - right, [base], floor=float(mine.norm())) is not None)  # fmt: skip


def _multiple(sought: Sought, index: int, base: dict[str, Tensor], more: dict[str, Tensor]) -> float | None:
    """The c for which base + c more, and any penalty, is the student's; nothing if no c fits."""
    mine, parameters = sought.gradients[index], sought.passed.drawn.parameters[index]

    def left(part: str) -> Tensor:
        return (mine[part] - base[part] - sought.penalty.get(part, 0.0) * parameters[part]).reshape(-1)

    exact = [part for part in mine if part in base and part != "weight"]
    solved = None
    if exact:
        solved = sought.fit(torch.cat([left(part) for part in exact]),
                            [torch.cat([more[part].reshape(-1) for part in exact])])  # fmt: skip
    if solved is None and "weight" in mine:  # there is no bias, or it is wrong by itself
        solved = sought.fit(mine["weight"] - base["weight"], [more["weight"], parameters["weight"]])
    return solved[0] if solved is not None else None


def first_wrong_intermediate(extra: dict[str, Tensor], sought: Sought) -> list[str]:
    """The first wrong one from the scores down, under the user's own name, of what came beside the gradients."""
    passed = sought.passed
    for kind, name, value in _intermediates(passed, sought.reduction):
        for given, tensor in extra.items():
            tensor = tensor.T if tensor.shape == value.shape[::-1] else tensor
            last = given.rsplit(".", 1)[-1].lower()
            is_activation = bool(re.search(r"a\d|h\d|hidden|relu|act", last))
            if tensor.shape != value.shape or (
                is_activation != (kind == "a") and len(passed.z) > 1 and value.shape[1] != passed.p.shape[1]
            ):
                continue
            if float((tensor - value).norm()) > 1e-6 * float(value.norm()):
                return [f"the first wrong intermediate is {given} (here {name})"]
    return []


def _intermediates(passed: ForwardPass, reduction: str) -> Iterator[tuple[str, str, Tensor]]:
    """Kind (z or a), name and right value from the scores down."""
    dz = passed.dscores * (len(passed.p) if reduction == "sum" else 1)
    for index in reversed(range(len(passed.z))):
        _, dz = passed.layer_backward(index, dz, {})
        yield "z", f"dz{index + 1}", dz
        if index:
            da = layers.affine_backward_input(dz, passed.drawn.parameters[index]["weight"])
            yield "a", f"da{index}", da
            dz = passed.into(index - 1, da)


def example_weights(sought: Sought) -> str:
    """How often each example counts in dz of some layer and below, where any such weights give these gradients."""
    passed, n = sought.passed, len(sought.passed.p)
    if n * sum(g.numel() for parts in sought.gradients for g in parts.values()) > SOLVABLE:
        return ""
    right = {int(name[2:]) - 1: dz for kind, name, dz in _intermediates(passed, sought.reduction) if kind == "z"}
    for top in reversed(range(len(right) if not passed.standardized else 0)):
        rows, left = [], []
        for index, mine in enumerate(sought.gradients[: top + 1]):
            dz, x = right[index], passed.x[index]
            each = {"weight": torch.einsum("ni,no->ion", x, dz).flatten(0, 1), "bias": dz.T}
            for part, gradient in mine.items():
                base = sought.base(index, part)
                rows.append(each[part])
                left.append((gradient - (0 if base is None else sought.penalty[part] * base)).reshape(-1))
        if counted := unequal_counts(torch.cat(rows), torch.cat(left), n, sought.tolerance):
            line = f"dz{top + 1}" if top + 1 < len(right) else "dscores"
            return f"{line}: {counted}"
    return ""
