"""The gradients of any function, by differences of its own loss at the user's point."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity.check import told
from cifar_mlp.parity.check.calling import Answer, SubmissionError, guarded, read_answer
from cifar_mlp.parity.check.forms import as_tensor, leaves, rebuild, shape_words
from cifar_mlp.parity.check.quotients import Quotient, quotients
from cifar_mlp.parity.check.told import Report, TensorReport

MOVED = 0.03  # relative; a second point, away from an exact kink


def check_function(function: Callable[[Any], Any], parameters: Any) -> Report:
    """Judge ``function(parameters) -> (loss, gradients)`` at the parameters and, if wrong there, near them."""
    found = leaves(parameters)
    if not found:
        raise ValueError("parameters hold no arrays")
    point = [as_tensor(value) for _, value in found]
    names = [name or "x" for name, _ in found]
    report = _at(function, parameters, names, point)
    if report.verdict != told.WRONG or not report.tensors:
        return report
    generator = torch.Generator().manual_seed(0)
    near = [
        x * (1 + MOVED * torch.rand(x.shape, generator=generator)) + 1e-3 * torch.rand(x.shape, generator=generator)
        for x in point
    ]
    elsewhere = _at(function, parameters, names, near)
    if elsewhere.verdict == told.RIGHT:
        return Report(told.UNSURE, report.tensors, ["wrong only exactly at this point, right beside it: a kink"])
    return report


def _at(function: Callable[[Any], Any], tree: Any, names: list[str], point: list[Tensor]) -> Report:
    shapes = [tuple(x.shape) for x in point]

    def call(values: list[Tensor]) -> Answer:
        made = rebuild(tree, iter(values))
        before = [as_tensor(value) for _, value in leaves(made)]
        answer = read_answer(guarded(function, made), made, names, shapes)
        after = [as_tensor(value) for _, value in leaves(made)]
        written = [n for n, a, b in zip(names, before, after, strict=True) if not torch.equal(a, b)]
        if written:
            raise SubmissionError(f"the argument {written[0]} was written into: a caller's array must not change")
        return answer

    try:
        answer, again = call(point), call(point)
        if answer.loss != again.loss:
            raise SubmissionError("two calls with the same arguments differ")
        found = [(n, tuple(g.shape), s) for (n, g), s in zip(answer.gradients.items(), shapes, strict=True)]
        if misshapen := [f"{n}: shape {g}, expected {s}: {shape_words(g, s)}" for n, g, s in found if g != s]:
            raise SubmissionError("; ".join(misshapen))
        gradients = [answer.gradients[name] for name in names]
        own = quotients(lambda values: call(values).loss, point, gradients, answer.single)
    except SubmissionError as error:
        return Report(told.WRONG, causes=[str(error)])
    errors, verdicts = [q.error for q in own], [q.verdict for q in own]
    tensors = [
        TensorReport(
            name,
            shape,
            verdict == "right",
            None,
            error,
            "" if verdict == "right" else _words(answer.gradients[name], own[i], {d for s in shapes for d in s}),
        )
        for i, (name, shape, verdict, error) in enumerate(zip(names, shapes, verdicts, errors, strict=True))
    ]
    notes = ["it answers in float32: judged by float32's rounding"] if answer.single else []
    if "wrong" in verdicts:
        causes = [f"{t.name}: {t.words}" for t in tensors if not t.right and t.words]
        bad = ", ".join(t.name for t in tensors if not t.right)
        return Report(told.WRONG, tensors, causes or [f"{bad}: not the derivative of the loss"], notes)
    if "inconclusive" in verdicts:
        return Report(
            told.UNSURE, tensors, ["the error follows the step: a kink is near, or the loss is too rough"], notes
        )
    return Report(told.RIGHT, tensors, [], notes)


def _words(gradient: Tensor, own: Quotient, dimensions: set[int]) -> str:
    """The factor between a gradient and the differences, if there is one."""
    mine, right = gradient.reshape(-1)[own.entries], own.value
    if float(mine.norm()) == 0:
        return "0 everywhere"
    c = float(mine @ right / (right @ right).clamp_min(1e-300))
    if float((mine - c * right).norm()) <= 1e-4 * float(mine.norm()):
        known = {-1.0: "the sign is reversed", 2.0: "twice the right one", 0.5: "half the right one"}
        for d in dimensions - {1, 2}:
            known |= {float(d): f"{d} times the right one, a dimension: a mean is missing",
                      1.0 / d: f"1/{d} of the right one, a dimension: a mean in place of a sum"}  # fmt: skip
        return next(
            (said for value, said in known.items() if abs(c / value - 1) < 1e-5), f"{c:.5g} times the right one"
        )
    if len(mine) > 1 and float(mine.std()) <= 1e-9 * float(mine.abs().max()):
        return "the same number everywhere: it is summed over too much"
    wrong = ((mine - right).abs() > 1e-4 * right.abs().max()).nonzero().reshape(-1)
    return f"wrong in {len(wrong)} of {len(mine)} entries" if len(wrong) < len(mine) else ""
