"""The gradients of any function, by differences of its own loss at the user's point."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check import report as verdicts
from cifar_mlp.parity.check.calling import REORDERED, Answer, SubmissionError, guarded
from cifar_mlp.parity.check.central_differences import quotients
from cifar_mlp.parity.check.probes import what_is_not_finite
from cifar_mlp.parity.check.relations import relation
from cifar_mlp.parity.check.report import Report, TensorReport
from cifar_mlp.parity.check.structures import as_tensor, leaves, rebuild
from cifar_mlp.parity.check.user_function import call_on_copies, misshapen

MOVED = 0.03  # relative; a second point, away from an exact kink
WRITTEN = "was written into: a caller's array must not change"
ROUGH = "the error follows the step: a kink is near, or the loss is too rough"


def check_function(function: Callable[[Any], Any], parameters: Any) -> Report:
    """Judge ``function(parameters) -> (loss, gradients)`` at the parameters and, if wrong there, near them."""
    found = leaves(parameters)
    if not found:
        raise ValueError("parameters hold no arrays")
    point = [as_tensor(value) for _, value in found]
    names = [name or "x" for name, _ in found]
    report = _at(function, parameters, names, point)
    if report.verdict != verdicts.WRONG or not report.tensors:
        return report
    generator = torch.Generator().manual_seed(0)
    near = [
        x * (1 + MOVED * torch.rand(x.shape, generator=generator)) + 1e-3 * torch.rand(x.shape, generator=generator)
        for x in point
    ]
    if _at(function, parameters, names, near).verdict == verdicts.RIGHT:
        return Report(verdicts.UNSURE, report.tensors, ["wrong only exactly at this point, right beside it: a kink"])
    return report


def _at(function: Callable[[Any], Any], tree: Any, names: list[str], point: list[Tensor]) -> Report:
    shapes = [tuple(x.shape) for x in point]

    def call(values: list[Tensor]) -> Answer:
        made = rebuild(tree, iter(values))
        answer, wrote = call_on_copies(lambda: guarded(function, made), made, (), names, shapes)
        if wrote is not None:
            raise SubmissionError(f"the argument {names[wrote]} {WRITTEN}")
        return answer

    try:
        answer, again = call(point), call(point)
        if bad := what_is_not_finite(answer):
            raise SubmissionError(f"{bad} is not finite")
        if answer.loss != again.loss:
            raise SubmissionError("two calls with the same arguments differ")
        if wrong := misshapen(answer, shapes):
            raise SubmissionError("; ".join(f"{name}: {words}" for name, words in wrong.items()))
        own = quotients(lambda values: call(values).loss, point, list(answer.gradients.values()), answer.single)
    except SubmissionError as error:
        return Report(verdicts.WRONG, causes=[str(error)])
    dimensions, tensors = {d for shape in shapes for d in shape}, list[TensorReport]()
    for name, shape, one in zip(names, shapes, own, strict=True):
        right = one.verdict == "right"
        theirs, mine, value = one.beside(answer.gradients[name], point[len(tensors)])
        words = "" if right else relation(mine, theirs, partial(_factor, dimensions=dimensions), 1e-4, value)
        tensors.append(TensorReport(name, shape, right, None, one.error, words))
    found = Report(verdicts.RIGHT, tensors)
    found.notes += ["it answers in float32: judged by float32's rounding"] if answer.single else []
    found.notes += [REORDERED] * answer.reordered
    if any(one.verdict == "wrong" for one in own):
        bad = ", ".join(t.name for t in tensors if not t.right)
        causes = [f"{t.name}: {t.words}" for t in tensors if not t.right and t.words]
        found.verdict, found.causes = verdicts.WRONG, causes or [f"{bad}: not the derivative of the loss"]
    elif any(one.verdict == "inconclusive" for one in own):
        found.verdict, found.causes = verdicts.UNSURE, [ROUGH]
    return found


def _factor(c: float, dimensions: set[int]) -> str:
    known = {-1.0: "the sign is reversed", 2.0: "twice the right one", 0.5: "half the right one"}
    for d in dimensions - {1, 2}:
        known |= {float(d): f"{d} times the right one, a dimension: a mean is missing",
                  1.0 / d: f"1/{d} of the right one, a dimension: a mean in place of a sum"}  # fmt: skip
    return next((said for value, said in known.items() if abs(c / value - 1) < 1e-5), f"{c:.5g} times the right one")
