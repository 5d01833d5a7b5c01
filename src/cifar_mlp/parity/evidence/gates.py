"""The limits, and the verdict on one tensor.

Two rules, both on whole tensors; element by element two correct devices disagree wherever terms cancel.

*Normwise*: the difference's norm over the reference's. float64 rounds at 1e-16 and no sum here is long enough
to lose four digits, so 1e-12. float32 lands at 1e-7 to 4e-7, TF32's ten bits at 4e-4: 1e-5 lies 25 times away
from either.

*Three-way*: RMSE(hand, float64) <= 3 RMSE(autograd, float64) + four roundings of the tensor's magnitude, both
in the same dtype on the same device: by hand must be no worse than what PyTorch itself makes of that dtype.
The roundings are for small tensors, which autograd may get right to the last bit by luck.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cifar_mlp.parity.evidence.measures import Errors, ratio

Verdict = Literal["pass", "FAIL", "shown"]

NORMWISE_LIMIT = {torch.float64: 1e-12, torch.float32: 1e-5}
THREE_WAY = {torch.float32, torch.bfloat16, torch.float16}
THREE_WAY_FACTOR = 3.0
THREE_WAY_ROUNDINGS = 4
DIFFERENCES_LIMIT = 1e-6  # normwise; truncation h^2 and rounding epsilon / h are near 1e-10 at h = 1e-5
TRAINING_LIMIT = 1e-9  # relative, on every one of 100 losses in float64


@dataclass(frozen=True)
class Judgement:
    """What the gates say of one tensor."""

    verdict: Verdict
    reason: str = ""
    limit: float | None = None
    """Of the normwise error."""
    rmse_limit: float | None = None
    share: float | None = None
    """Of the limit used, the larger share where two rules hold."""


def judge(
    errors: Errors, dtype: torch.dtype, *, scale: float, autograd_rmse: float | None = None, flips: int = 0
) -> Judgement:
    """Hold one tensor's errors against the limits of its dtype.

    Args:
        errors: Of the tensor, measured with ``scale``.
        dtype: That the calculation was asked to run in.
        scale: The norm the normwise error was divided by.
        autograd_rmse: Of autograd in the same dtype on the same device; None leaves the normwise rule alone.
        flips: ReLU masks that differ; the cases keep away from kinks, so from float32 up there is none.
    """
    limit = NORMWISE_LIMIT.get(dtype)
    rmse_limit = None
    if dtype in THREE_WAY and autograd_rmse is not None and math.isfinite(autograd_rmse):
        one_rounding = torch.finfo(dtype).eps * scale / math.sqrt(math.prod(errors.shape))
        rmse_limit = THREE_WAY_FACTOR * autograd_rmse + THREE_WAY_ROUNDINGS * one_rounding
    bounded = ((errors.normwise_error, limit), (errors.rmse, rmse_limit))
    share = max((ratio(error, bound) for error, bound in bounded if bound is not None), default=None)

    reason = ""
    if not math.isfinite(errors.largest):
        reason = "the reference is not finite"
    elif not math.isfinite(errors.max_abs_error):
        reason = "not finite"
    elif errors.largest == 0 and errors.max_abs_error > 0:
        reason = f"{errors.max_abs_error:.1e} where the reference is zero"
    elif limit is not None and not errors.normwise_error <= limit:
        reason = f"normwise error {errors.normwise_error:.1e} over the limit {limit:.0e}"
    elif rmse_limit is not None and not errors.rmse <= rmse_limit:
        reason = f"RMSE {errors.rmse:.1e} over the limit {rmse_limit:.1e} that autograd sets"
    elif limit is not None and flips:
        reason = f"{flips} ReLU masks flipped"
    verdict: Verdict = "FAIL" if reason else "shown" if share is None else "pass"
    return Judgement(verdict, reason, limit, rmse_limit, share)


def misfit(tensor: Tensor, shape: torch.Size, dtype: torch.dtype, device: str) -> str:
    """Say what keeps a tensor from being compared: its shape, dtype, device or a graph; else ``""``."""
    if tensor.shape != shape:
        return f"shape {tuple(tensor.shape)} where {tuple(shape)} was asked"
    if tensor.dtype != dtype:
        return f"{tensor.dtype} where {dtype} was asked"
    if tensor.device.type != device:
        return f"on {tensor.device.type} where {device} was asked"
    return "tied to an autograd graph" if tensor.requires_grad else ""
