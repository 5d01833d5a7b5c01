"""Mistakes in a network that no formula here describes: the user's dz beside the right one, unit by unit."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check.between_layers import Way, all_are, of_the_activation, ratio, to_width, way_of
from cifar_mlp.parity.check.calling import SubmissionError
from cifar_mlp.parity.check.forward_pass import ACTIVATIONS
from cifar_mlp.parity.check.penalty_part import of_the_penalty
from cifar_mlp.parity.check.relations import relation
from cifar_mlp.parity.check.single_examples import Shown, near, show
from cifar_mlp.parity.check.user_function import UserFunction
from cifar_mlp.parity.check.written_forms import of_own_dscores

# Shape legend: N = examples, each alone in its batch


def by_single_examples(function: UserFunction, seed: int) -> list[str]:
    """The mistakes in words, from the scores down to the first without a name; nothing where nothing shows."""
    try:
        shown = show(replace(function, regularization=0.0), seed)
    except (SubmissionError, ValueError, RuntimeError):
        return []
    if isinstance(shown, str):
        return [shown]
    if shown is None:
        return []
    return [*_compared(shown), *of_the_penalty(function, function.layout.draw(seed + 3))]


def _compared(shown: Shown) -> list[str]:
    said: dict[str, list[str]] = {}
    last, ways = len(shown.z) - 1, [way_of(shown, index) for index in range(len(shown.z) - 1)]
    into: dict[int, Tensor] = {}  # the right gradient in each layer's input
    theirs: dict[int, Tensor] = {}  # and the user's
    above_right = True
    for index in reversed(range(last + 1)):
        mine, number, skipped = shown.theirs[index], index + 1, None
        if index == last:
            expected, words = shown.dz[index], _of_scores(shown)
        else:
            around, their_around = (
                _around(index + 1, shown.x[index + 1].shape[1], ways, *given)
                for given in ((shown.dz, into), (shown.theirs, theirs))
            )
            into[index + 1] = shown.through(index + 1, shown.dz[index + 1]) + around
            through = shown.through(index + 1, shown.theirs[index + 1])
            theirs[index + 1] = through + their_around
            if not above_right and not ways[index].by_unit:
                return _merged(said)  # what it should be from there is not known
            expected = shown.dz[index] * (1 if above_right else ratio(theirs[index + 1], into[index + 1]))
            expected, words = torch.where(expected.isnan(), mine, expected), ""
            if not near(mine, expected):
                skipped, words = _of_the_skip(shown, index, ways, into[index + 1], through, their_around, theirs)
                if skipped is not None:
                    theirs[index + 1] = skipped
                words = words or of_the_activation(ways[index], mine, expected, theirs[index + 1])
        if not near(mine, expected):
            above_right = False
            if not words:
                return _merged(said)
            in_chain = index < last and skipped is None  # else the words say where
            said.setdefault(words, []).append(f"dz{number}" if in_chain else "")
        if not near(shown.their_x[index], shown.x[index], 1e-3):
            said.setdefault(_of_the_input(shown, index), []).append(f"dW{number}")
        if not near(shown.their_bias[index], mine, 1e-3):
            words = relation(shown.their_bias[index], mine, "{:.5g} times the right one".format)
            said.setdefault(words or "it is not the sum of dz", []).append(f"db{number}")
    return _merged(said)


def _merged(said: dict[str, list[str]]) -> list[str]:
    return [f"{', '.join(where)}: {words}" if all(where) else words for words, where in said.items()]


def _around(index: int, width: int, ways: list[Way], dz: list[Tensor], into: dict[int, Tensor]) -> Any:
    """The part of the gradient in a layer's input that comes from the ways around it and the layers above."""
    found = [(dz[m] if way.before else into[m + 1]) for m, way in enumerate(ways) if way.source == index]
    return sum(to_width(each, width) for each in found) if found else 0.0


def _of_the_skip(
    shown: Shown, index: int, ways: list[Way], right: Tensor, through: Tensor, around: Any, theirs: dict[int, Tensor]
) -> tuple[Tensor | None, str]:
    """The gradient in this layer's output with which the user's dz is the right one, where a skip connection is."""
    tops = [m for m, way in enumerate(ways) if way.source == index + 1]
    if not tops:
        return None, ""
    first, last = index + 2, tops[0] + 1
    over = f"layer {first}" if first == last else f"layers {first} to {last}"
    versions = {
        f"da{index + 1} lacks the gradient of the way around {over}, the skip connection": through,
        f"da{index + 1} has only the gradient of the way around {over}": around,
        f"da{index + 1} counts the gradient of the way around {over} twice": through + 2 * around,
        f"da{index + 1} takes dz{last} for the way around {over}, where it needs da{last}":
            through + to_width(shown.theirs[tops[0]], through.shape[1]),
    }  # fmt: skip
    for words, version in versions.items():
        if near(shown.theirs[index] * right, shown.dz[index] * version):
            return version, words
    return None, ""


def _of_scores(shown: Shown) -> str:
    right, theirs, n = shown.dz[-1], shown.theirs[-1], len(shown.labels)
    times = ratio(theirs, right)
    times = times[~times.isnan()]
    if near(theirs, right) or all_are(times, 1.0):
        return ""
    if all_are(times, float(times.mean())):
        c = float(times.mean())
        return "dscores is twice the right one" if abs(c - 2) < 1e-4 else f"dscores is {c:.5g} times the right one"
    passed: Any = SimpleNamespace(dscores=right / n, p=shown.z[-1].softmax(1), scores=shown.z[-1],
                                  drawn=SimpleNamespace(labels=shown.labels))  # fmt: skip
    return next(of_own_dscores(passed, theirs / n), "")


def _of_the_input(shown: Shown, index: int) -> str:
    """What the user's weight gradient takes in place of the layer's input."""
    taken, number = shown.their_x[index], index + 1
    if index == 0:
        if near(taken, shown.inputs):
            return "it takes the inputs as they were passed; the forward pass changes them first: take the changed ones"
    elif taken.shape == (z := shown.z[index - 1]).shape:
        if near(taken, z, 1e-3):
            return f"it takes z{number - 1} where it needs its layer's input"
        for name, (forward, _) in ACTIVATIONS.items():
            if near(taken, forward(z), 1e-3):
                after = "what comes after it in the forward pass, such as a mask of dropout, is left out"
                return f"it takes {name} of z{number - 1}; {after}"
    others = {f"the input of layer {i}": x for i, x in enumerate(shown.x, 1) if i != number and x.shape == taken.shape}
    return next((f"it takes {name}" for name, x in others.items() if near(taken, x, 1e-3)),
                "it does not take what its layer took in the forward pass")  # fmt: skip
