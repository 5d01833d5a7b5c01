"""Calls with numbers at which a right-looking function may fail: large scores, and a unit exactly at its kink."""

import math
from dataclasses import replace

from cifar_mlp.parity.check.calling import Answer, SubmissionError
from cifar_mlp.parity.check.drawing import Drawn
from cifar_mlp.parity.check.observed import what_is_not_finite
from cifar_mlp.parity.check.subject import Subject

OFFSET = {False: 800.0, True: 100.0}  # exp overflows in float64 above 709, in float32 above 88
OVERFLOW = "not finite with scores near 800 (float32: 100): the exponential lacks the shift by the maximum"
KINK = "at the kink, z = 0, your derivative is not PyTorch's 0 (1 or another subgradient); no fault"


def overflows(subject: Subject, drawn: Drawn, single: bool) -> bool:
    """Whether loss or gradients are not finite once every score is much larger, which changes neither."""
    last = drawn.parameters[-1]
    if "bias" not in last:
        return False
    moved = replace(drawn, parameters=[*drawn.parameters[:-1], {**last, "bias": last["bias"] + OFFSET[single]}])
    try:
        answer = subject(moved)
    except SubmissionError:
        return False
    return bool(what_is_not_finite(answer)) or not math.isfinite(answer.loss)


def at_a_kink(subject: Subject, drawn: Drawn) -> tuple[Drawn, Answer] | None:
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
