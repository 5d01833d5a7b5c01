"""One tensor against its reference: how far apart they are, and whether that is within tolerance.

The error is *normwise*: the norm of the difference over the norm of the reference. Entry by entry, two correct devices
disagree wherever terms cancel. Where little of the terms remains in the reference itself, its norm says nothing about
their rounding; then the error is divided by the norm of the terms.

float64 rounds at 1e-16 and no sum here is long enough to lose four digits: the tolerance is 1e-12. float32 errors are
1e-7 to 4e-7, those of TF32's ten bits 4e-4: the tolerance is 1e-5, 25 times away from both. Below float64 the
hand-derived tensor may also not be much worse than PyTorch's own in the same dtype on the same device: at most three
times autograd's error plus a few roundings, for small tensors that autograd may get exactly right by luck.

In half precision only the second rule holds, with one rounding of the result. Softmax is computed in float32, so what
cancels there is allowed float32's rounding. The reference starts from the judged network's own z2 and scores: their
rounding, which a confident network magnifies, excuses nothing behind them. Where autograd itself is off by more than a
quarter, as in half precision for confident examples, it is no yardstick, and one rounding is the limit.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Verdict = Literal["pass", "FAIL", "shown"]

NORMWISE_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
AUTOGRAD_FACTOR = 3.0
AUTOGRAD_USELESS = 0.25
FLOAT32_ROUNDINGS = 4
NEARLY_CANCELLED = 0.01  # of the terms remains; sums of 200 to 3072 random signs leave at least 0.03
VANISHED = 1e-12  # of the terms remains: rounding alone, of what is zero


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
    normwise_error: float | None = None  # norm of the difference over the scale of the tensor; 0 / 0 is 0
    autograd_error: float | None = None  # of autograd in the same dtype on the same device
    limit: float | None = None  # tolerance on normwise_error
    share: float | None = None  # of the tolerance that is used
    mask_flips: int | None = None  # ReLU masks that differ from the reference's; z2 only

    def __str__(self) -> str:
        """The row in one line."""
        return f"{self.tensor}: {self.reason or self.verdict} ({self.witness}, {self.case}, {self.device} {self.dtype})"


class Expected(NamedTuple):
    """A reference tensor."""

    value: Tensor  # float64, on the CPU
    terms: float = 0.0  # norm of the same expression with every minus made a plus

    def scale(self, dtype: torch.dtype) -> float:
        """The norm that an error in this dtype is divided by."""
        own = float(self.value.norm())
        remains = NEARLY_CANCELLED if dtype in NORMWISE_TOLERANCE else VANISHED
        return self.terms if own < remains * self.terms else own

    def error(self, tensor: Tensor, dtype: torch.dtype) -> float:
        """The normwise error of a tensor computed in this dtype."""
        return normwise_error(tensor, self.value, self.scale(dtype))

    def limit(self, dtype: torch.dtype, autograd_error: float | None) -> float:
        """The tolerance on the normwise error; infinite in half precision where autograd's error is not known."""
        fixed = NORMWISE_TOLERANCE.get(dtype, math.inf)
        if dtype == torch.float64 or autograd_error is None or not math.isfinite(autograd_error):
            return fixed
        info, scale = torch.finfo(dtype), self.scale(dtype) or 1.0
        if dtype == torch.float32:
            rounding = FLOAT32_ROUNDINGS * info.eps
        else:
            smallest = info.smallest_normal * info.eps * math.sqrt(self.value.numel())
            rounding = info.eps + (torch.finfo(torch.float32).eps * self.terms + smallest) / scale
        yardstick = autograd_error if autograd_error < AUTOGRAD_USELESS else 0.0
        return min(fixed, AUTOGRAD_FACTOR * yardstick + rounding)


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
        expected: Expected,
        *,
        scale: float | None = None,
        limit: float | None = None,
        autograd_error: float | None = None,
        flips: int | None = None,
        only_show: bool = False,
    ) -> Row:
        """Compare one tensor with its reference.

        Args:
            name: Of the tensor.
            tensor: Any shape; must have the origin's dtype and device, and no autograd graph.
            expected: The reference.
            scale: Norm to divide the error by, also where the reference is zero; None means the reference's own, and
                zero must be met by zero.
            limit: Tolerance on the normwise error; None means that of the dtype.
            autograd_error: Of autograd in the same dtype on the same device; None skips the second rule.
            flips: Differing ReLU masks. The cases stay away from kinks, so from float32 up none may differ.
            only_show: Give no verdict.
        """
        reference = expected.value
        if reason := self._misfit(tensor, reference.shape):
            return self.failed(name, reason)
        limit = expected.limit(self.dtype, autograd_error) if limit is None else limit
        error = expected.error(tensor, self.dtype) if scale is None else normwise_error(tensor, reference, scale)
        largest = float(reference.abs().max())
        reason = ""
        if not math.isfinite(largest):
            reason = "the reference is not finite"
        elif not tensor.isfinite().all():
            reason = "not finite"
        elif largest == 0 and error > 0 and scale is None:
            reason = f"{float(tensor.abs().max()):.1e} where the reference is zero"
        elif not error <= limit:
            reason = f"normwise error {error:.1e} exceeds {limit:.1g}"
        elif flips and self.dtype in NORMWISE_TOLERANCE:
            reason = f"{flips} ReLU masks differ"
        shown = only_show or (limit == math.inf and not reason)
        return Row(
            *self[:3], short(self.dtype), name, "shown" if shown else "FAIL" if reason else "pass",
            "" if shown else reason, tuple(reference.shape), largest, error, autograd_error,
            None if limit == math.inf else limit, None if limit == math.inf else ratio(error, limit), flips,
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


def worst(rows: Iterable[Row]) -> list[Row]:
    """Every row that fails; if none does, the one that uses most of its tolerance."""
    found = list(rows)
    return [row for row in found if row.verdict == "FAIL"] or [max(found, key=lambda row: row.share or 0.0)]


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
