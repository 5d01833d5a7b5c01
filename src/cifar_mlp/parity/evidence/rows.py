"""One line of the comparison: a tensor of a witness, its errors and the verdict."""

from dataclasses import dataclass

import torch

from cifar_mlp.parity.evidence.gates import Judgement, Verdict
from cifar_mlp.parity.evidence.measures import Errors


@dataclass(frozen=True)
class Row:
    """One tensor against its reference; an error that could not be measured is None."""

    case: str
    witness: str
    device: str
    dtype: str
    tensor: str
    verdict: Verdict
    reason: str = ""
    shape: tuple[int, ...] | None = None
    largest: float | None = None
    max_abs_error: float | None = None
    normwise_error: float | None = None
    ulp_error: float | None = None
    cosine: float | None = None
    mask_flips: int | None = None
    rmse: float | None = None
    autograd_rmse: float | None = None
    limit: float | None = None
    rmse_limit: float | None = None
    share: float | None = None

    def __str__(self) -> str:
        """The finding in one line."""
        place = f"{self.witness}, {self.case}, {self.device} {self.dtype}"
        return f"{self.tensor}: {self.reason or self.verdict} ({place})"


def judged_row(
    case: str,
    witness: str,
    device: str,
    dtype: torch.dtype,
    tensor: str,
    errors: Errors,
    flips: int | None,
    judgement: Judgement,
    autograd_rmse: float | None = None,
    gated: bool = True,
) -> Row:
    """A row with its measures; without a gate it is only shown."""
    return Row(
        case,
        witness,
        device,
        _short(dtype),
        tensor,
        verdict=judgement.verdict if gated else "shown",
        reason=judgement.reason if gated else "",
        **errors._asdict(),
        mask_flips=flips,
        autograd_rmse=autograd_rmse,
        limit=judgement.limit,
        rmse_limit=judgement.rmse_limit,
        share=judgement.share,
    )


def misfit_row(case: str, witness: str, device: str, dtype: torch.dtype, tensor: str, reason: str) -> Row:
    """A tensor that is not what was asked for."""
    return Row(case, witness, device, _short(dtype), tensor, "FAIL", reason)


def failed_call(case: str, witness: str, device: str, dtype: torch.dtype, error: Exception) -> Row:
    """A calculation that did not come to an end."""
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return Row(case, witness, device, _short(dtype), "every tensor", "FAIL", reason)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
