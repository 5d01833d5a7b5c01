"""Networks whose biases are a row or a column of their weights: the same function with both apart."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.parity.check.calling import arguments_for, read_answer
from cifar_mlp.parity.check.structures import as_tensor, leaves, like, rebuild

PLACES = {0: "first", -1: "last"}
LINES = {0: "row", 1: "column"}


def apart(mine: Callable[..., Any], tree: Any, inputs: Any) -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """For each place that the biases may have in these matrices: a note, ``mine`` of both apart, and its parameters.

    Yields nothing if the shapes are those of no such network.
    """
    shapes = [tuple(np.shape(value)) for _, value in leaves(tree)]
    if any(len(shape) != 2 for shape in shapes):
        return
    for axis in LINES:  # the inputs' axis of a weight
        fits = all(one[1 - axis] + 1 == other[axis] for one, other in pairwise(shapes))
        if fits and shapes[0][axis] - 1 in np.shape(inputs)[:2]:
            for place in PLACES:
                note = f"the biases are the {PLACES[place]} {LINES[axis]} of each weight"
                yield note, *_apart(mine, tree, axis, place)


def _apart(mine: Callable[..., Any], tree: Any, axis: int, place: int) -> tuple[Callable[..., Any], dict[str, Any]]:
    def split(whole: Tensor) -> tuple[Tensor, Tensor]:
        return whole.narrow(axis, 1 + place, whole.shape[axis] - 1), whole.select(axis, place)

    def joined(weight: Tensor, bias: Tensor) -> Tensor:
        row = bias.unsqueeze(axis)
        return torch.cat([row, weight] if place == 0 else [weight, row], axis)

    def function(parameters: Any, inputs: Any, labels: Any, regularization: float, masks: Any = None) -> Any:
        arrays = list(parameters.values())
        given = [as_tensor(array) for array in arrays]
        wholes = [joined(weight, bias) for weight, bias in zip(given[::2], given[1::2], strict=True)]
        own = rebuild(tree, iter(wholes))
        by_role = {"inputs": inputs, "labels": labels, "regularization": regularization, "masks": masks}
        positional, named = arguments_for(mine, own, by_role)
        names, shapes = [name for name, _ in leaves(own)], [tuple(whole.shape) for whole in wholes]
        answer = read_answer(mine(*positional, **named), own, names, shapes)
        with torch.no_grad():
            for array, part in zip(arrays, _each(split, [value for _, value in leaves(own)]), strict=True):
                array[...] = like(part, array)  # what mine wrote into them, the caller sees
        parts = [part.float() if answer.single else part for part in _each(split, list(answer.gradients.values()))]
        return answer.loss, dict(zip(parameters, parts, strict=True))

    found: dict[str, Any] = {}
    for number, (name, value) in enumerate(leaves(tree), 1):
        said = name if re.search("[A-Za-z]", name) else f"W{number}"
        weight, bias = split(torch.zeros(np.shape(value)))
        found |= {f"weights in {said}": like(weight, value), f"biases in {said}": like(bias, value)}
    return function, found


def _each(split: Callable[[Tensor], tuple[Tensor, Tensor]], wholes: list[Any]) -> list[Tensor]:
    return [part for whole in wholes for part in split(as_tensor(whole))]
