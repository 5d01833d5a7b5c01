"""The norm that a tensor's error is divided by.

Usually the tensor's own. Where the terms of a sum nearly cancel, as p - onehot does for confident examples, that norm
says nothing about the rounding of the terms; then it is the norm of the same expression with every minus made a plus:
||p + onehot|| / N for dz3, || a2^T (p + onehot) || / N for w2, and so on down the chain.
"""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity.two_layer import Parameters, Trace

NEARLY_CANCELLED = 0.01  # of the terms remains; sums of 200 to 3072 random signs leave at least 0.03


@torch.no_grad()
def scales(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float, trace: Trace
) -> dict[str, float]:
    """Choose the norm of each tensor of a reference trace; all in float64 on the CPU."""
    chosen = {}
    for name, terms in uncancelled(parameters, inputs, labels, regularization, trace).items():
        own, before = (float(torch.linalg.vector_norm(x)) for x in (getattr(trace, name), terms))
        chosen[name] = before if own < NEARLY_CANCELLED * before else own
    return chosen


def uncancelled(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float, trace: Trace
) -> dict[str, Tensor]:
    """Every tensor of the trace, computed from absolute values so that no terms cancel."""
    w1, b1, w2, b2 = (tensor.abs() for tensor in parameters)
    x, scores, p = inputs.abs(), trace.scores, trace.probabilities
    on = trace.z2 > 0
    z2 = x @ w1 + b1
    # softmax subtracts the maximum: rounding the scores changes p by p (1 - p) times that rounding
    p_terms = p * (1 + (1 - p) * (scores.abs() + scores.amax(1, keepdim=True).abs()))
    dz3 = (p_terms + one_hot(labels, p.shape[1])) / len(labels)
    da2 = dz3 @ w2.T
    dz2 = da2 * on
    penalty = regularization * (w1.square().sum() + w2.square().sum())
    target = scores.gather(1, labels[:, None]).squeeze(1)
    return {
        "z2": z2,
        "a2": z2 * on,
        "scores": trace.a2 @ w2 + b2,
        "probabilities": p_terms,
        "loss": (scores.logsumexp(1).abs() + target.abs()).mean() + penalty,
        "dz3": dz3,
        "da2": da2,
        "dz2": dz2,
        "w1": x.T @ dz2 + 2 * regularization * w1,
        "b1": dz2.sum(0),
        "w2": trace.a2.T @ dz3 + 2 * regularization * w2,
        "b2": dz3.sum(0),
    }
