"""The mistakes that reproduce a student's gradients exactly, found layer by layer from the scores down."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check import slips
from cifar_mlp.parity.check.factors import factor_words
from cifar_mlp.parity.check.one_tensor import in_one_tensor
from cifar_mlp.parity.check.sought import Sought, close, fit

# Shape legend: N = examples, I, O = input and output features of a layer

WIDTH = 5  # explanations kept from layer to layer
MOST = 2  # mistakes in one layer's part of the chain


@dataclass
class Story:
    """One explanation down to some layer."""

    words: dict[str, list[str]] = field(default_factory=dict)  # a mistake, and the tensors where it stands
    dz: Tensor | None = None

    @property
    def cost(self) -> int:
        return len(self.words)

    def plus(self, words: str, tensor: str = "") -> "Story":
        """This and one more mistake."""
        if not words:
            return self
        known = {key: list(value) for key, value in self.words.items()}
        known.setdefault(words, []).extend([tensor] if tensor else [])
        return Story(known, self.dz)


def explain(sought: Sought) -> tuple[list[str], int | None]:
    """The fewest mistakes in words, and the first layer (from the top, counted from 1) that none explains."""
    stories = [Story()]
    for index in reversed(range(len(sought.gradients))):
        found: list[Story] = []
        for story in stories:
            found += _down(sought, index, story)
        if not found:
            return _say(stories[0]), index + 1
        found.sort(key=lambda story: story.cost)
        stories = found[:WIDTH]
    return _say(stories[0]), None


def _say(story: Story) -> list[str]:
    return [f"{', '.join(dict.fromkeys(where))}: {words}" if where else words for words, where in story.words.items()]


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
        if found and min(new.cost for new in found) <= story.cost + most + 1:
            break
    return found


def _chain(sought: Sought, index: int, story: Story, count: int) -> Iterator[tuple[list[str], slips.Step, Any]]:
    """Versions of the gradient in a layer's activation input, with exactly ``count`` mistakes."""
    tape = sought.tape
    if index + 1 == len(tape.z):
        if count < 2:
            for step in slips.top(tape, sought.reduction):
                if bool(step.words) == bool(count):
                    yield [step.words][:count], step, None
        return
    assert story.dz is not None
    gradient = sought.gradients[index + 1].get("weight")
    norms: list[tuple[str, Any]] = [("", None)]
    if tape.xhat[index] is not None:
        norms += list(slips.through_normalization(tape, index))
    for first in slips.into_output(tape, index, story.dz, gradient):
        one = bool(first.words)
        for second in _only(slips.through_dropout(tape, index, first.value), count - one):
            two = one + bool(second.words)
            tape.before[index] = second.value
            for third in _only(slips.through_activation(tape, index, second.value, first.value), count - two):
                three = two + bool(third.words)
                if three > count or (first.direction is not None and third.direction is not None):
                    continue
                direction = third.direction
                if first.direction is not None:
                    if second.words or third.words:
                        continue
                    direction = tape.into(index, first.direction)
                for name, norm in _only_named(norms, count - three):
                    if three + bool(name) != count:
                        continue
                    tape.before[index] = second.value
                    words = [said for said in (first.words, second.words, third.words, name) if said]
                    said = first.of_factor if first.direction is not None else third.of_factor
                    yield words, slips.Step("", third.value, direction, said), norm


def _only(steps: Iterator[slips.Step], room: int) -> Iterator[slips.Step]:
    """All steps where a mistake is still allowed, else the right one, which comes first."""
    return steps if room > 0 else islice(steps, 1)


def _only_named(norms: list[tuple[str, Any]], room: int) -> list[tuple[str, Any]]:
    return norms if room > 0 else norms[:1]


def _locals(sought: Sought, index: int, story: Story, words: list[str], step: slips.Step, norm: Any) -> Story | None:
    """The explanation of one layer's tensors from the gradient in its activation's input."""
    tape, mine, names = sought.tape, sought.gradients[index], sought.names[index]
    try:
        tensors, dz = tape.layer_backward(index, step.value, norm)
    except (RuntimeError, IndexError):
        return None
    if step.direction is not None:
        more, dz_more = tape.layer_backward(index, step.direction, norm)
        c = _multiple(sought, index, tensors, more)
        if c is None or abs(c) < 1e-12:
            return None
        tensors = {part: tensors[part] + c * more[part] for part in tensors}
        dz = dz + c * dz_more
        if (factor := step.of_factor(c)) and f"{c:.4g} times" == factor:
            factor = factor_words(c, tape.drawn)
            if abs(c - 1) < 1e-9:
                return None
        if abs(c) < 1e-9 * sought.tolerance:
            return None
        words = [*words[:-1], f"{words[-1]}: {factor}" if factor else words[-1]]
    new = Story(story.words, dz)
    for word in words:
        new = new.plus(word)
    w, b = tape.drawn.parameters[index]["weight"], tape.drawn.parameters[index].get("bias")
    if words and not any(_follows(sought, index, part, tensors[part], {"weight": w, "bias": b}) for part in mine):
        return None  # a mistake in the chain that leaves every tensor of the layer unexplained is none
    for part in ("bias", "gamma", "beta", "weight"):
        if part not in mine:
            continue
        base = {"weight": w, "bias": b}.get(part)
        expected = tensors[part] + (getattr(sought, part) * base if base is not None else 0)
        if close(mine[part], expected, sought):
            continue
        said = in_one_tensor(sought, index, part, mine[part], tensors[part], dz, step.value, base)
        if said is None:
            return None
        for one in said:
            new = new.plus(one, names[part])
    new.dz = dz
    return new


def _follows(sought: Sought, index: int, part: str, right: Tensor, parameters: dict[str, Tensor | None]) -> bool:
    """Whether a tensor is what the chain gives, with any share of the penalty."""
    mine, base = sought.gradients[index][part], parameters.get(part)
    if mine.shape != right.shape:
        return False
    if base is None:
        return close(mine, right, sought)
    found = fit((mine - right).reshape(-1), [base.reshape(-1)], sought, floor=float(mine.norm()))
    return found is not None


def _multiple(sought: Sought, index: int, base: dict[str, Tensor], more: dict[str, Tensor]) -> float | None:
    """The c for which base + c more, and any penalty, is the student's; nothing if no c fits."""
    mine, w = sought.gradients[index], sought.tape.drawn.parameters[index]["weight"]
    parts = [part for part in mine if part in base]
    if not parts:
        return None
    exact = [part for part in parts if part != "weight"] or parts
    left = torch.cat([(mine[part] - base[part]).reshape(-1) for part in exact])
    columns = [torch.cat([more[part].reshape(-1) for part in exact])]
    if exact == ["weight"]:
        columns.append(w.reshape(-1))
    elif sought.bias and "bias" in exact:
        left = torch.cat(
            [
                mine[p].reshape(-1)
                - base[p].reshape(-1)
                - (sought.bias * sought.tape.drawn.parameters[index][p] if p == "bias" else 0)
                for p in exact
            ]
        )
    solved = fit(left, columns, sought)
    if solved is None and "weight" in mine:  # the bias may be wrong by itself
        solved = fit((mine["weight"] - base["weight"]).reshape(-1), [more["weight"].reshape(-1), w.reshape(-1)], sought)
    return solved[0] if solved is not None else None
