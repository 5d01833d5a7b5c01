"""Calls at which a right-looking function may fail: the same again, large scores, a unit exactly at its kink."""

import math
from dataclasses import replace

import torch

from cifar_mlp.parity.check.calling import Answer, SubmissionError
from cifar_mlp.parity.check.layout import Drawn
from cifar_mlp.parity.check.user_function import UserFunction

OFFSET = {False: 800.0, True: 110.0}  # exp overflows in float64 above 709, in float32 above 88
NOT_FINITE = "not finite with scores near 800 (float32: 100)"
OVERFLOW = "the exponential lacks the shift by the maximum"
LOGARITHM = "where a probability rounds to 0 its logarithm is not finite; log-softmax, scores - log(sum), is"
ADDED = "a second call adds its gradients to those of the first: they must begin at 0 at every call"
KINK = "at the kink, z = 0, your derivative is not PyTorch's 0 (1 or another subgradient); no fault"


def calls_that_differ(first: Answer, again: Answer, last: Answer) -> list[str]:
    """What is wrong where equal calls do not give equal answers; ``last`` came after a call with other numbers."""
    for other, words in ((again, "two equal calls differ: the function keeps or changes something between calls"),
                         (last, "the result depends on the call before: a stored value is stale")):  # fmt: skip
        pairs = [(g, other.gradients[name]) for name, g in first.gradients.items()]
        same = all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True) for a, b in pairs)
        close = abs(first.loss - other.loss) <= 1e-9 * max(1.0, abs(first.loss)) or first.loss != first.loss
        if not (same and close):
            sums = [2 * a for a, _ in pairs] if other is again else []
            added = any(float(a.norm()) > 0 and torch.allclose(s, b) for s, (a, b) in zip(sums, pairs, strict=False))
            return [ADDED if added else words]
    return []


def what_is_not_finite(answer: Answer) -> str:
    """The loss or the first gradient with an infinite entry or a NaN; empty if there is none."""
    if not math.isfinite(answer.loss):
        return "the loss"
    return next((f"the gradient of {n}" for n, g in answer.gradients.items() if not bool(torch.isfinite(g).all())), "")


def overflows(subject: UserFunction, drawn: Drawn, single: bool, of_one_class: bool = False) -> bool:
    """Whether loss or gradients are not finite once every score, or those of one class, are much larger."""
    last = drawn.parameters[-1]
    if "bias" not in last:
        return False
    bias = last["bias"].clone()
    bias[: 1 if of_one_class else None] += OFFSET[single]
    moved = replace(drawn, parameters=[*drawn.parameters[:-1], {**last, "bias": bias}])
    try:
        answer = subject(moved)
    except SubmissionError:
        return False
    return bool(what_is_not_finite(answer))


def at_a_kink(subject: UserFunction, drawn: Drawn) -> tuple[Drawn, Answer] | None:
    """The same problem with the first hidden unit's input exactly 0, and its answer; ``None`` if it cannot be made."""
    first = drawn.parameters[0]
    if "gamma" in first:
        return None
    silent = {**first, "weight": first["weight"].clone()}
    silent["weight"][:, 0] = 0.0
    if "bias" in first:
        silent["bias"] = first["bias"].clone()
        silent["bias"][0] = 0.0
    problem = replace(drawn, inputs=drawn.inputs.clone(), parameters=[silent, *drawn.parameters[1:]])
    try:
        return problem, subject(problem)
    except SubmissionError:
        return None
