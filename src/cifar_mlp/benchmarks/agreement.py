"""A check that every implementation trains the same network: without it, a time means nothing."""

from collections.abc import Mapping
from typing import NamedTuple

import torch

from cifar_mlp.benchmarks.epochs import Snapshot
from cifar_mlp.benchmarks.implementations import TimedRun
from cifar_mlp.benchmarks.problem import Precision, Weights, weights_of

# From the same start in the same order, ten steps differ only by rounding, since libraries sum in different orders.
# Adam's first steps are nearly the sign of the gradient, which rounding flips where a gradient is near zero: hence wide
# tolerances, widest for bfloat16. In float32, MKL and oneDNN were up to 4 % of the distance trained away from float64,
# and 6 % from each other; the tolerance is between that and a learning rate that is 10 % off.
STEP_TOLERANCE: dict[Precision, float] = {"float32": 0.08, "bfloat16": 0.3}
LOSS_TOLERANCE: dict[Precision, float] = {"float32": 2e-3, "bfloat16": 3e-3}
OWN_ORDER_TOLERANCE = 0.1


class Agreement(NamedTuple):
    """One implementation compared with the plain loop of the same inputs and precision."""

    loss_error: float  # training loss, relative to the plain loop's
    step_error: float | None  # distance of the networks / distance trained; None: own start or order
    after: str  # "steps" or "epoch"


def compare(run: TimedRun, snapshots: Mapping[str, Snapshot], plain: Mapping[str, Snapshot]) -> Agreement:
    """Compare the snapshots of a run with those of the plain loop of the same problem.

    Raises:
        RuntimeError: If they did not do the same work.
    """
    exact, precision = run.implementation.exact, run.problem.precision
    moment = "steps" if exact else "epoch"
    if moment not in snapshots:
        raise RuntimeError(f"{run.label} sent no snapshot after the first {moment}")
    mine, reference = snapshots[moment], plain[moment]
    if mine.parameters != reference.parameters:
        raise RuntimeError(f"{run.label} has {mine.parameters:,} parameters, the plain loop {reference.parameters:,}")
    disagree = f"{run.label} and the plain loop disagree after the same {moment}"
    loss_error = abs(mine.loss - reference.loss) / reference.loss
    if not loss_error <= (LOSS_TOLERANCE[precision] if exact else OWN_ORDER_TOLERANCE):
        raise RuntimeError(f"{disagree}: loss {mine.loss:.5f} and {reference.loss:.5f}")
    if not exact:
        return Agreement(loss_error, None, moment)
    start = weights_of(run.problem.network())
    step_error = distance(mine.weights, reference.weights) / distance(start, reference.weights)
    if not step_error <= STEP_TOLERANCE[precision]:
        raise RuntimeError(f"{disagree}: their weights are {step_error:.1e} of the distance trained apart")
    return Agreement(loss_error, step_error, moment)


def distance(one: list[Weights], other: list[Weights]) -> float:
    """Euclidean distance over all parameters."""
    mine, theirs = (torch.cat([tensor.double().flatten() for layer in layers for tensor in layer])
                    for layers in (one, other))  # fmt: skip
    return float(torch.dist(mine, theirs))
