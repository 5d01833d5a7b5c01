"""How far a tensor lies from its reference, in every measure that the report shows."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Errors(NamedTuple):
    """The distance of one tensor from its reference; all in float64, a NaN or infinity stays one."""

    shape: tuple[int, ...]
    largest: float
    """Largest magnitude in the reference."""
    max_abs_error: float
    normwise_error: float
    """Norm of the difference over the norm chosen for the tensor; 0 where both are zero."""
    ulp_error: float
    """Largest difference in units of the last place of the tensor's largest magnitude."""
    cosine: float | None
    """Of the angle between tensor and reference; None where one of them is zero."""
    rmse: float
    """Root of the mean squared difference."""


def measure(candidate: Tensor, reference: Tensor, scale: float, dtype: torch.dtype) -> Errors:
    """Compare a tensor with its float64 reference of the same shape.

    Args:
        candidate: Any float dtype, any device.
        reference: float64 on the CPU.
        scale: The norm that the difference's is divided by.
        dtype: Whose machine epsilon is the unit of ``ulp_error``.
    """
    got = candidate.detach().cpu().double()
    difference = got - reference
    largest, max_abs_error = (float(x.abs().max()) for x in (reference, difference))
    tensors = (difference, reference, got)
    norm, reference_norm, got_norm = (float(torch.linalg.vector_norm(x)) for x in tensors)
    cosine = None
    if got_norm > 0 and reference_norm > 0:
        cosine = float((got.flatten() / got_norm) @ (reference.flatten() / reference_norm))
    return Errors(
        shape=tuple(reference.shape),
        largest=largest,
        max_abs_error=max_abs_error,
        normwise_error=ratio(norm, scale),
        ulp_error=ratio(max_abs_error, torch.finfo(dtype).eps * largest),
        cosine=cosine,
        rmse=norm / math.sqrt(reference.numel()),
    )


def ratio(part: float, whole: float) -> float:
    """``part / whole``, where zero over zero is a perfect 0 and anything else over zero is infinite."""
    if whole == 0:
        return 0.0 if part == 0 else math.inf
    return part / whole


def mask_flips(z2: Tensor, reference: Tensor) -> int:
    """Hidden units, per example, that are on in one of two ``(N, H)`` tensors and off in the other."""
    return int(((z2.detach().cpu() > 0) != (reference > 0)).sum())
