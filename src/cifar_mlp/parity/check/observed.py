"""What the answers show by themselves: unequal calls, numbers that are none, a simple relation to the right tensor."""

import math

import torch
from torch import Tensor

from cifar_mlp.parity.check.calling import Answer
from cifar_mlp.parity.check.drawing import Drawn
from cifar_mlp.parity.check.factors import factor_words


def calls_that_differ(first: Answer, again: Answer, last: Answer) -> list[str]:
    """What is wrong where equal calls do not give equal answers; ``last`` came after a call with other numbers."""
    for other, words in ((again, "two equal calls differ: the function keeps or changes something between calls"),
                         (last, "the result depends on the call before: a stored value is stale")):  # fmt: skip
        pairs = [(g, other.gradients[name]) for name, g in first.gradients.items()]
        same = all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True) for a, b in pairs)
        close = abs(first.loss - other.loss) <= 1e-9 * max(1.0, abs(first.loss)) or first.loss != first.loss
        if not (same and close):
            return [words]
    return []


def what_is_not_finite(answer: Answer) -> str:
    """The loss or the first gradient with an infinite entry or a NaN; empty if there is none."""
    if not math.isfinite(answer.loss):
        return "the loss"
    return next((f"the gradient of {n}" for n, g in answer.gradients.items() if not bool(torch.isfinite(g).all())), "")


def relation(mine: Tensor, expected: Tensor, drawn: Drawn) -> str:
    """What relates a wrong tensor to the right one, if anything simple does."""
    if mine.shape != expected.shape:
        return f"shape {tuple(mine.shape)}"
    if float(mine.norm()) == 0:
        return "0 everywhere"
    c = float((mine * expected).sum() / expected.square().sum().clamp_min(1e-300))
    if float((mine - c * expected).norm()) <= 1e-6 * float(mine.norm()):
        return factor_words(c, drawn)
    if float(mine.std() if mine.numel() > 1 else 1) <= 1e-9 * float(mine.abs().max()):
        return "the same number everywhere"
    wrong = (mine - expected).abs() > 1e-6 * expected.abs().max()
    for dim, what in ((0, "columns"), (1, "rows")) if mine.dim() == 2 else ():
        lines = wrong.any(dim).nonzero().reshape(-1).tolist()
        if len(lines) <= (wrong.shape[1 - dim]) // 2:
            return f"wrong in {what} {', '.join(map(str, lines))} only"
    return ""
