"""Mistakes under any loss: its differences give the right gradient in the scores, which no formula has to.

With few examples a layer's gradients determine its dz: the right one from differences, the user's own from the answer.
"""

from dataclasses import replace

import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.check.calling import Answer, SubmissionError
from cifar_mlp.parity.check.central_differences import EVERY, quotients
from cifar_mlp.parity.check.explain import explain
from cifar_mlp.parity.check.forward_pass import Architecture, ForwardPass
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.one_tensor import Sought
from cifar_mlp.parity.check.penalty_part import of_the_penalty
from cifar_mlp.parity.check.relations import one_factor
from cifar_mlp.parity.check.user_function import UserFunction
from cifar_mlp.parity.check.written_forms import CLOSE

# Shape legend: N = examples, I, O = input and output features of a layer, C = classes

EXAMPLES = 6  # fewer than the last layer's inputs, so that its gradients determine dscores
SHARE = 1e-5  # of a difference that may be an error of differences
Layered = list[dict[str, Tensor]]


def by_own_differences(function: UserFunction, kinds: list[Architecture], seed: int) -> list[str]:
    """All mistakes in words, if they explain everything; else nothing."""
    more = function.layout.sizes[-1] == EXAMPLES - 1  # or N - 1 were C
    layout = function.layout.of_sizes(function.layout.sizes, EXAMPLES + more)
    drawn = layout.draw(seed + 3)
    if sum(x.numel() for x in layout.flat(drawn)) > EVERY:
        return []
    try:
        free = UserFunction(function.function, layout, 0.0)
        data, right = _both(free, drawn)
    except (SubmissionError, ValueError, RuntimeError):
        return []
    mine = free.by_layer(data)
    for kind in kinds:
        passed = ForwardPass(drawn, kind)
        dscores = _dz(passed, -1, right[-1])
        if dscores is None:
            continue
        passed.dscores = dscores
        if not _explains(passed, right):
            continue
        passed.theirs = [_dz(passed, index, found) for index, found in enumerate(mine)]
        floor = 1e-4 * max(float(g.norm()) for parts in mine for g in parts.values())
        sought = Sought(passed, mine, free.part_names, "mean", {}, CLOSE, floor, layout.transposed)
        mine_flat, right_flat = ([g for parts in layered for g in parts.values()] for layered in (mine, right))
        if said := one_factor(mine_flat, right_flat, drawn, CLOSE):
            constant = ": a constant (1/2, a temperature, a weight) is in the loss or in them alone"
            story, stuck = [f"{said.split(': scaled')[0]}{constant * any(bool(g.any()) for g in mine_flat)}"], None
        else:
            story, stuck = explain(sought)
        if stuck is not None:
            return []
        return [*story, *of_the_penalty(replace(free, regularization=function.regularization), drawn)]
    return []


def _both(function: UserFunction, drawn: Drawn) -> tuple[Answer, Layered]:
    """The answer, and the right gradients by differences."""
    answer, layout = function(drawn), function.layout
    found = quotients(lambda values: function.loss(drawn, values), layout.flat(drawn),
                      [answer.gradients[name] for name in layout.names], answer.single)  # fmt: skip
    values = [one.value.reshape(shape) for one, shape in zip(found, layout.shapes, strict=True)]
    return answer, layout.by_layer(values)


def _dz(passed: ForwardPass, index: int, given: dict[str, Tensor]) -> Tensor | None:
    """The gradient in a layer's affine output (N, O) that gives its gradients; ``None`` if none does, or several."""
    x, whole = passed.x[index], given["weight"]
    if "bias" in given:
        x, whole = torch.cat([x, torch.ones(len(x), 1).double()], 1), torch.cat([whole, given["bias"][None]])
    solved = torch.linalg.lstsq(x.T, whole, driver="gelsd")
    if int(solved.rank) < len(x) or float((x.T @ solved.solution - whole).norm()) > CLOSE * float(whole.norm()):
        return None
    return solved.solution


def _explains(passed: ForwardPass, right: Layered) -> bool:
    """Whether this network under these dscores has these gradients in all layers."""
    dz = passed.dscores
    largest = max(float(g.norm()) for parts in right for g in parts.values())
    for index in reversed(range(len(right))):
        found, dz = passed.layer_backward(index, dz, {})
        if any(float((found[part] - g).norm()) > SHARE * max(float(g.norm()), 1e-2 * largest)
               for part, g in right[index].items()):  # fmt: skip
            return False
        if index:
            da = layers.affine_backward_input(dz, passed.drawn.parameters[index]["weight"])
            dz = passed.into(index - 1, da)
    return True
