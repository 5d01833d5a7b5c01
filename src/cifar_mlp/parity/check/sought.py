"""What is to be explained, and what counts as an exact match."""

import math
from dataclasses import dataclass

from torch import Tensor

from cifar_mlp.parity.check.tape import Tape


@dataclass
class Sought:
    """What is to be explained: gradients by layer, and the penalty's right share of them."""

    tape: Tape
    gradients: list[dict[str, Tensor]]
    names: list[dict[str, str]]
    reduction: str
    weight: float  # the penalty's gradient is this times a weight
    bias: float
    tolerance: float
    floor: float  # below this a norm is rounding


def close(found: Tensor, expected: Tensor, sought: Sought) -> bool:
    """Whether two tensors agree to the tolerance."""
    if found.shape != expected.shape:
        return False
    scale = max(float(expected.norm()), sought.floor)
    return float((found - expected).norm()) <= sought.tolerance * scale


def fit(left: Tensor, columns: list[Tensor], sought: Sought, floor: float = 0.0) -> list[float] | None:
    """Coefficients of an exact combination of one or two columns; in NumPy, which is faster on few numbers."""
    y, xs = left.numpy(), [column.numpy() for column in columns]
    squares = [float(x @ x) for x in xs]
    if not all(math.isfinite(square) and square > 0 for square in squares):
        return None
    solved = [float(xs[0] @ y) / squares[0]]
    if len(xs) == 2:
        along, other = float(xs[0] @ xs[1]), float(xs[1] @ y)
        determinant = squares[0] * squares[1] - along**2
        if determinant <= 1e-9 * squares[0] * squares[1]:
            return None
        solved = [(squares[1] * solved[0] * squares[0] - along * other) / determinant,
                  (squares[0] * other - along * solved[0] * squares[0]) / determinant]  # fmt: skip
    rest = y - sum(c * x for c, x in zip(solved, xs, strict=True))
    scale = max(math.sqrt(float(y @ y)), sought.floor, floor)
    return solved if math.sqrt(float(rest @ rest)) <= 3 * sought.tolerance * scale else None
