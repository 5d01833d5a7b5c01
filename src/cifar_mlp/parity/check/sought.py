"""What is to be explained, and what counts as an exact match."""

from dataclasses import dataclass

import torch
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


def fit(left: Tensor, columns: list[Tensor], sought: Sought) -> list[float] | None:
    """Coefficients of an exact combination."""
    matrix = torch.stack(columns, 1)
    if not bool(torch.isfinite(matrix).all()):
        return None
    solved = torch.linalg.lstsq(matrix, left[:, None]).solution
    residual = float((matrix @ solved - left[:, None]).norm())
    scale = max(float(left.norm()), sought.floor)
    return [float(c) for c in solved[:, 0]] if residual <= 3 * sought.tolerance * scale else None
