"""Same mathematics, checked: whoever is timed has trained the same network to the same place."""

import math
from dataclasses import dataclass

from cifar_mlp.benchmarks.laps import Seen
from cifar_mlp.benchmarks.problem import Precision, Weights

# Given the same start and order, what may differ after ten steps is rounding; libraries add products in different
# orders. Adam's first steps are nearly the gradient's sign, which rounding turns where a gradient is near zero: hence
# the wide berth, widest for bfloat16. In float32 either library lay up to 4 % of the way from float64, the two 6 %
# apart; the limit stands between that and a learning rate 10 % off, which must be found out.
STEP_TOLERANCE: dict[Precision, float] = {"float32": 0.08, "bfloat16": 0.3}
LOSS_TOLERANCE: dict[Precision, float] = {"float32": 2e-3, "bfloat16": 3e-3}
ROUGH_TOLERANCE = 0.1


@dataclass(frozen=True)
class Agreement:
    """One harness beside the plain loop of the same inputs and precision.

    Attributes:
        parameters: How many there are.
        loss: Training loss after the compared steps, or after the epoch where the order is the harness's own.
        loss_error: Relative to the plain loop's.
        step_error: Distance between the two networks over the distance that the plain loop's has come; ``None``
            where start or order are the harness's own.
        after: ``steps`` or ``epoch``.
    """

    parameters: int
    loss: float
    loss_error: float
    step_error: float | None
    after: str


def compare(
    name: str,
    precision: Precision,
    seen: dict[str, Seen],
    plain: dict[str, Seen],
    start: list[Weights],
    exact: bool,
) -> Agreement:
    """Compare a harness with the plain loop.

    Args:
        name: What complaints call it.
        precision: Of both.
        seen: The harness's network, by moment.
        plain: The plain loop's.
        start: What the plain loop started from.
        exact: Whether both had the same start and order.

    Raises:
        RuntimeError: If they have not done the same work.
    """
    moment = "steps" if exact else "epoch"
    if moment not in seen:
        raise RuntimeError(f"{name} did not show its network after the first {moment}")
    mine, theirs = seen[moment], plain[moment]
    if mine.parameters != theirs.parameters:
        raise RuntimeError(f"{name} has {mine.parameters:,} parameters, the plain loop {theirs.parameters:,}")
    loss_error = abs(mine.loss - theirs.loss) / theirs.loss
    limit = LOSS_TOLERANCE[precision] if exact else ROUGH_TOLERANCE
    if not loss_error <= limit:
        raise RuntimeError(
            f"{name} and the plain loop differ: loss {mine.loss:.5f} and {theirs.loss:.5f} after the same {moment}"
        )
    step_error = None
    if exact:
        step_error = distance(mine.weights, theirs.weights) / distance(start, theirs.weights)
        if not step_error <= STEP_TOLERANCE[precision]:
            raise RuntimeError(
                f"{name} and the plain loop differ: their weights lie {step_error:.1e} of the way apart after the "
                "same steps"
            )
    return Agreement(mine.parameters, mine.loss, loss_error, step_error, moment)


def distance(one: list[Weights], other: list[Weights]) -> float:
    """Euclidean, over all parameters."""
    squares = [
        float((mine - theirs).double().square().sum())
        for layer, layer_too in zip(one, other, strict=True)
        for mine, theirs in zip(layer, layer_too, strict=True)
    ]
    return math.sqrt(sum(squares))
