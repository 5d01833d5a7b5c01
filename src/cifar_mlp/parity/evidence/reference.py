"""The reference of a case, autograd in float64 on the CPU, and everything that is compared with it.

The hand-derived functions are looked up when called, so that a replaced one is the one compared.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from cifar_mlp.parity import two_layer, witness
from cifar_mlp.parity.evidence import autograd
from cifar_mlp.parity.evidence.cases import Case
from cifar_mlp.parity.evidence.matmul_precision import tf32
from cifar_mlp.parity.evidence.rows import Origin, Row
from cifar_mlp.parity.evidence.scales import scales


class Reference:
    """Every tensor of a case by autograd in float64, and the verdict on anything compared with it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.trace = autograd.intermediates(*case.problem)
        self.scales = scales(*case.problem, self.trace)

    def for_dtype(self, dtype: torch.dtype) -> "Reference":
        """The reference for inputs rounded to ``dtype``; this object if rounding changes nothing."""
        rounded = self.case.rounded(dtype)
        before, after = ((*case.parameters, case.inputs) for case in (self.case, rounded))
        same = all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
        return self if same else Reference(rounded)

    def judge(
        self,
        witness: str,
        device: str,
        dtype: torch.dtype,
        tensors: Mapping[str, Tensor],
        autograd_rmse: Mapping[str, float | None] | None = None,
        only_show: bool = False,
    ) -> Iterator[Row]:
        """Judge tensors by name; ``witness`` is what computed them."""
        origin = Origin(self.case.name, witness, device, dtype)
        for name, tensor in tensors.items():
            rmse = autograd_rmse[name] if autograd_rmse else None
            flips = self._flips(tensor) if name == "z2" else None
            expected, scale = getattr(self.trace, name), self.scales[name]
            yield origin.judge(name, tensor, expected, scale, autograd_rmse=rmse, flips=flips, only_show=only_show)

    def _flips(self, z2: Tensor) -> int | None:
        """ReLU masks, per unit and example, that differ from the reference's."""
        if z2.shape != self.trace.z2.shape:
            return None
        return int(((z2.detach().cpu() > 0) != (self.trace.z2 > 0)).sum())


def numpy_rows(reference: Reference) -> Iterator[Row]:
    """The NumPy witness, float64."""
    parameters, inputs, labels, regularization = reference.case.problem
    w1, b1, w2, b2 = (tensor.numpy() for tensor in parameters)
    found = witness.intermediates(w1, b1, w2, b2, inputs.numpy(), labels.numpy(), regularization)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in found._asdict().items()}
    return reference.judge("numpy", "cpu", torch.float64, tensors)


def hand_rows(reference: Reference, device: str, dtype: torch.dtype) -> Iterator[Row]:
    """Every public function on one device in one dtype; autograd's error in the same limits theirs."""
    reference = reference.for_dtype(dtype)
    here = reference.case.to(device, dtype)
    rmse = None
    if dtype != torch.float64:
        rows = reference.judge("autograd", device, dtype, autograd.intermediates(*here.problem)._asdict())
        rmse = {row.tensor: row.rmse for row in rows}
    for name, tensors in _public_functions(here):
        yield from reference.judge(f"hand: {name}", device, dtype, tensors, rmse)


def tf32_rows(reference: Reference, device: str) -> Iterator[Row]:
    """The error that TF32 costs, shown without a verdict; simulated off the GPU."""
    reference = reference.for_dtype(torch.float32)
    with tf32(device):
        trace = two_layer.intermediates(*reference.case.to(device, torch.float32).problem)
    label = "hand: TF32" if device == "cuda" else "hand: TF32, simulated"
    return reference.judge(label, device, torch.float32, trace._asdict(), only_show=True)


def _public_functions(case: Case) -> Iterator[tuple[str, dict[str, Tensor]]]:
    yield "intermediates", two_layer.intermediates(*case.problem)._asdict()
    loss, gradients = two_layer.loss_and_gradients(*case.problem)
    yield "loss_and_gradients", {"loss": loss, **gradients._asdict()}
    yield "forward", {"scores": two_layer.forward(case.parameters, case.inputs)}
