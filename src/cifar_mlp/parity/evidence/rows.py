"""One tensor against its reference: how far apart they are, and whether that is within tolerance.

Both rules look at whole tensors; entry by entry, two correct devices disagree wherever terms cancel.

*Normwise*: the norm of the difference over the norm of the reference. float64 rounds at 1e-16 and no sum here is long
enough to lose four digits, so the tolerance is 1e-12. float32 errors are 1e-7 to 4e-7, those of TF32's ten bits 4e-4;
1e-5 is 25 times away from both.

*Three-way*: RMSE(hand-derived, float64) <= 3 RMSE(autograd, float64) + four roundings of the tensor's magnitude, both
in the same dtype on the same device: the hand-derived result may not be worse than PyTorch's own in that dtype. The
roundings are for small tensors, which autograd may get exactly right by luck.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Verdict = Literal["pass", "FAIL", "shown"]

NORMWISE_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
THREE_WAY = {torch.float32, torch.bfloat16, torch.float16}
THREE_WAY_FACTOR = 3.0
THREE_WAY_ROUNDINGS = 4


@dataclass(frozen=True)
class Row:
    """One tensor against its reference, one line of ``parity.json``; a field that does not apply is None.

    A row of the self-test has ``case`` "planted fault", the fault as ``witness`` and all failed tensors as ``tensor``.
    """

    case: str
    witness: str  # what computed the tensor
    device: str
    dtype: str
    tensor: str
    verdict: Verdict
    reason: str = ""  # of a failure
    shape: tuple[int, ...] | None = None
    largest: float | None = None  # magnitude in the reference
    max_abs_error: float | None = None
    normwise_error: float | None = None  # norm of the difference over the scale of the tensor; 0 / 0 is 0
    ulp_error: float | None = None  # max_abs_error in units of the dtype's epsilon times largest
    cosine: float | None = None  # between tensor and reference, unless one is zero
    rmse: float | None = None
    mask_flips: int | None = None  # ReLU masks that differ from the reference's; z2 only
    autograd_rmse: float | None = None  # of autograd in the same dtype on the same device
    limit: float | None = None  # tolerance on normwise_error
    rmse_limit: float | None = None  # tolerance on rmse
    share: float | None = None  # of the tolerance that is used, the larger if there are two

    def __str__(self) -> str:
        """The row in one line."""
        return f"{self.tensor}: {self.reason or self.verdict} ({self.witness}, {self.case}, {self.device} {self.dtype})"


class Origin(NamedTuple):
    """Where a tensor comes from: the case, what computed it, and on which device in which dtype."""

    case: str
    witness: str
    device: str
    dtype: torch.dtype

    def __str__(self) -> str:
        """E.g. ``toy on cpu in float16``."""
        return f"{self.case} on {self.device} in {short(self.dtype)}"

    def failed(self, tensor: str, reason: str) -> Row:
        """A row for a tensor that cannot be compared."""
        return Row(*self[:3], short(self.dtype), tensor, "FAIL", reason)

    def judge(
        self,
        name: str,
        tensor: Tensor,
        reference: Tensor,
        scale: float,
        *,
        limit: float | None = None,
        autograd_rmse: float | None = None,
        flips: int | None = None,
        may_round: bool = False,
        only_show: bool = False,
    ) -> Row:
        """Compare one tensor with its reference.

        Args:
            name: Of the tensor.
            tensor: Any shape; must have the origin's dtype and device, and no autograd graph.
            reference: float64 on the CPU.
            scale: Norm to divide the norm of the difference by.
            limit: Tolerance on the normwise error; None means that of the dtype.
            autograd_rmse: RMSE of autograd in the same dtype on the same device; None skips the three-way rule.
            flips: Differing ReLU masks. The cases stay away from kinks, so from float32 up none may differ.
            may_round: Whether rounding is allowed where the reference is zero.
            only_show: Give no verdict.
        """
        if reason := self._misfit(tensor, reference.shape):
            return self.failed(name, reason)
        limit = NORMWISE_TOLERANCE.get(self.dtype) if limit is None else limit
        rmse_limit = self._three_way(autograd_rmse, scale, reference.numel())
        measured = _measure(tensor.detach().cpu().double(), reference, scale, self.dtype)
        pairs = ((measured["normwise_error"], limit), (measured["rmse"], rmse_limit))
        shares = [ratio(error, bound) for error, bound in pairs if bound is not None]
        reason = "" if only_show else _objection(measured, limit, rmse_limit, flips, may_round)
        verdict: Verdict = "FAIL" if reason else "pass" if shares and not only_show else "shown"
        return Row(
            *self[:3], short(self.dtype), name, verdict, reason, **measured, mask_flips=flips,
            autograd_rmse=autograd_rmse, limit=limit, rmse_limit=rmse_limit, share=max(shares, default=None),
        )  # fmt: skip

    def _misfit(self, tensor: Tensor, shape: torch.Size) -> str:
        """Why a tensor cannot be compared: its shape, dtype, device or graph; else ``""``."""
        if tensor.shape != shape:
            return f"shape {tuple(tensor.shape)}, expected {tuple(shape)}"
        if tensor.dtype != self.dtype:
            return f"{tensor.dtype}, expected {self.dtype}"
        if tensor.device.type != self.device:
            return f"on {tensor.device.type}, expected {self.device}"
        return "has an autograd graph" if tensor.requires_grad else ""

    def _three_way(self, autograd_rmse: float | None, scale: float, count: int) -> float | None:
        if self.dtype not in THREE_WAY or autograd_rmse is None or not math.isfinite(autograd_rmse):
            return None
        one_rounding = torch.finfo(self.dtype).eps * scale / math.sqrt(count)
        return THREE_WAY_FACTOR * autograd_rmse + THREE_WAY_ROUNDINGS * one_rounding


def ratio(part: float, whole: float) -> float:
    """``part / whole``, where 0 / 0 is 0 and anything else over 0 is infinite."""
    if whole == 0:
        return 0.0 if part == 0 else math.inf
    return part / whole


def normwise_error(tensor: Tensor, reference: Tensor, scale: float | None = None) -> float:
    """||tensor - reference|| / scale in float64; the scale is ||reference|| unless given."""
    reference = reference.detach().cpu().double()
    difference = tensor.detach().cpu().double() - reference
    return ratio(float(difference.norm()), float(reference.norm()) if scale is None else scale)


def short(dtype: torch.dtype) -> str:
    """``float64`` for ``torch.float64``."""
    return str(dtype).removeprefix("torch.")


def _measure(got: Tensor, reference: Tensor, scale: float, dtype: torch.dtype) -> dict[str, Any]:
    """The measured fields of a row; both tensors in float64 on the CPU."""
    difference = got - reference
    largest, max_abs_error = (float(x.abs().max()) for x in (reference, difference))
    norms = [float(x.norm()) for x in (got, reference)]
    cosine = float((got.flatten() / norms[0]) @ (reference.flatten() / norms[1])) if min(norms) > 0 else None
    return {
        "shape": tuple(reference.shape),
        "largest": largest,
        "max_abs_error": max_abs_error,
        "normwise_error": normwise_error(got, reference, scale),
        "ulp_error": ratio(max_abs_error, torch.finfo(dtype).eps * largest),
        "cosine": cosine,
        "rmse": float(difference.norm()) / math.sqrt(reference.numel()),
    }


def _objection(
    measured: dict[str, Any], limit: float | None, rmse_limit: float | None, flips: int | None, may_round: bool
) -> str:
    """Why a tensor fails, or ``""``."""
    error, rmse, max_abs_error = (measured[name] for name in ("normwise_error", "rmse", "max_abs_error"))
    if not math.isfinite(measured["largest"]):
        return "the reference is not finite"
    if not math.isfinite(max_abs_error):
        return "not finite"
    if measured["largest"] == 0 and max_abs_error > 0 and not may_round:
        return f"{max_abs_error:.1e} where the reference is zero"
    if limit is not None and not error <= limit:
        return f"normwise error {error:.1e} exceeds {limit:.0e}"
    if rmse_limit is not None and not rmse <= rmse_limit:
        return f"RMSE {rmse:.1e} exceeds {rmse_limit:.1e}, derived from autograd's"
    return f"{flips} ReLU masks differ" if limit is not None and flips else ""
