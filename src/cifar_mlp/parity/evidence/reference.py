"""The reference of a case, that everybody is judged by."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence.cases import Case
from cifar_mlp.parity.evidence.gates import judge, misfit
from cifar_mlp.parity.evidence.measures import mask_flips, measure
from cifar_mlp.parity.evidence.rows import Row, judged_row, misfit_row
from cifar_mlp.parity.evidence.scales import scales
from cifar_mlp.parity.two_layer import Trace


class Reference:
    """The calculation by hand in float64 on the CPU, and the verdict on whoever is compared with it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        problem = (case.parameters, case.inputs, case.labels, case.regularization)
        self.given = two_layer.intermediates(*problem)
        self.trace = Trace(*(tensor.double() for tensor in self.given))
        self.scales = scales(*problem, self.trace)

    def for_dtype(self, dtype: torch.dtype) -> "Reference":
        """The reference on the numbers that ``dtype`` can hold; this one, save for data of all digits."""
        rounded = self.case.rounded(dtype)
        before, after = ((*case.parameters, case.inputs) for case in (self.case, rounded))
        same = all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
        return self if same else Reference(rounded)

    def misfits(self) -> Iterator[Row]:
        """A row for every tensor of the reference that is no float64 tensor on the CPU."""
        for name, tensor in self.given._asdict().items():
            if reason := misfit(tensor, tensor.shape, torch.float64, "cpu"):
                yield misfit_row(self.case.name, "reference", "cpu", torch.float64, name, reason)

    def judge(
        self,
        witness: str,
        device: str,
        dtype: torch.dtype,
        tensors: Mapping[str, Tensor],
        autograd_rmse: Mapping[str, float] | None = None,
        gated: bool = True,
    ) -> Iterator[Row]:
        """Judge every tensor of one witness."""
        flips = mask_flips(tensors["z2"], self.trace.z2) if "z2" in tensors else None
        for name, tensor in tensors.items():
            expected, scale = getattr(self.trace, name), self.scales[name]
            if reason := misfit(tensor, expected.shape, dtype, device):
                yield misfit_row(self.case.name, witness, device, dtype, name, reason)
                continue
            errors = measure(tensor, expected, scale, dtype)
            rival = autograd_rmse[name] if autograd_rmse else None
            flipped = (flips or 0) if name == "z2" else 0
            verdict = judge(errors, dtype, scale=scale, autograd_rmse=rival, flips=flipped)
            place = (self.case.name, witness, device, dtype, name)
            yield judged_row(*place, errors, flips, verdict, rival, gated)
