"""Mistakes in a loss's value: another factor of the data or the penalty, other entries, another sum."""

import math
from collections.abc import Iterator
from itertools import product

from torch import Tensor

from cifar_mlp.parity.check.forward_pass import ForwardPass

# Shape legend: N = examples, C = classes


def odd_losses(
    passed: ForwardPass, regularization: float, at: float, summed: bool
) -> Iterator[tuple[list[str], float]]:
    """Values of the loss that no convention gives, with the mistakes that lead to them.

    Args:
        passed: The right forward pass.
        regularization: lambda.
        at: The right penalty in units of lambda times the sum of squares.
        summed: Whether the examples are summed, not averaged.
    """
    (n, classes), data = passed.p.shape, float(passed.loss)
    at_label = passed.p.gather(1, passed.drawn.labels[:, None])
    log_p, others = passed.p.log(), (1 - passed.p).log()
    binary = data - float((others.sum(1, keepdim=True) - others.gather(1, passed.drawn.labels[:, None])).mean())
    largest, of_all_labels = float(passed.scores.amax(1).mean()), log_p[:, passed.drawn.labels]
    datas = {
        "": data,
        "the data loss is divided by the number of classes": data / classes,
        "the data loss is missing": 0.0,
        "the data loss is divided by N twice": data / n,
        "the sign of the data loss is reversed": -data,
        "the data loss is summed and then divided by the number of classes": data * n / classes,
        "the logarithm is to base 2": data / math.log(2),
        "the logarithm is to base 10": data / math.log(10),
        "the loss is the mean probability of the label, without a logarithm": -float(at_label.mean()),
        "the maximum is subtracted inside the logarithm alone, not from the label's score": data - largest,
        "the maximum is subtracted from the label's score alone, not inside the logarithm": data + largest,
        "the logarithm is of the largest probability, not of the label's": -float(passed.p.amax(1).log().mean()),
        "the logarithms of all classes count, not the label's alone": -float(log_p.sum(1).mean()),
        "p[:, y] takes all labels for each example, not its own: p[range(N), y]": -float(of_all_labels.mean()),
        "p[:, y] takes all labels for each example, not its own, and sums": -float(of_all_labels.sum(1).mean()),
        "it is the binary cross-entropy of all outputs, which belongs to sigmoids, not to softmax": binary,
        "it is the mean of the binary cross-entropies of all outputs, which belong to sigmoids": binary / classes,
        **{f"the logarithm is of p + {eps:g}": -float((at_label + eps).log().mean())
           for eps in (10.0**-power for power in range(2, 11))},
    }  # fmt: skip
    weights = [part["weight"] for part in passed.drawn.parameters]
    each = [float(w.square().sum()) for w in weights]
    whole = sum(each)
    counted = {
        "": at * whole,
        "the penalty is missing": 0.0,
        "the penalty is not squared": sum(float(w.norm()) for w in weights),
        "the penalty is a quarter": whole / 4,
        "the sign of the penalty is reversed": -at * whole,
        "the penalty is twice as large": 2 * at * whole,
        "the penalty is of the weights' sums, not of their squares": at * sum(float(w.sum()) for w in weights),
        "the penalty is of absolute values, not of squares": at * sum(float(w.abs().sum()) for w in weights),
        "the penalty sums all entries of W^T W, not its diagonal": at * sum(map(_all_entries, weights)),
        "the penalty sums all entries of W W^T, not its diagonal": at * sum(_all_entries(w.T) for w in weights),
    }
    scale = n if summed else 1
    for (said, value), (also, added) in product(datas.items(), counted.items()):
        yield [words for words in (said, also) if words], scale * value + regularization * added
    if 1 < len(each) <= 4:
        for times in product((0.0, 0.5, 1.0, 2.0, 3.0), repeat=len(each)):
            said = "; ".join(
                f"the penalty counts the weights of layer {index} {c:g} times" if c else
                f"the penalty leaves out the weights of layer {index}"
                for index, c in enumerate(times, 1) if c != 1)  # fmt: skip
            yield [said], scale * data + regularization * at * sum(c * w for c, w in zip(times, each, strict=True))


def _all_entries(w: Tensor) -> float:
    """The sum of W^T W."""
    return float(w.sum(1) @ w.sum(1))
