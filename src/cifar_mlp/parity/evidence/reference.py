"""The reference of a case, autograd in float64 on the CPU, and everything that is compared with it.

The hand-derived functions are looked up when called, so that a replaced one is the one compared.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity import numpy_reference, two_layer
from cifar_mlp.parity.evidence import autograd
from cifar_mlp.parity.evidence.cases import Case
from cifar_mlp.parity.evidence.matmul_precision import tf32
from cifar_mlp.parity.evidence.rows import NORMWISE_TOLERANCE, Expected, Origin, Row
from cifar_mlp.parity.two_layer import Parameters, Trace

FORWARD = ("z2", "a2", "scores")


class Reference:
    """Every tensor of a case by autograd in float64, and the verdict on anything compared with it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.expected = _expected(case)

    def for_dtype(self, dtype: torch.dtype) -> "Reference":
        """The reference for inputs rounded to ``dtype``; this object if rounding changes nothing."""
        rounded = self.case.rounded(dtype)
        before, after = ((*case.parameters, case.inputs) for case in (self.case, rounded))
        same = all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
        return self if same else Reference(rounded)

    def seen_by(self, computed: Trace) -> dict[str, Expected]:
        """The reference tensors; for half precision, those behind ``computed`` z2 and scores follow from these."""
        if computed.scores.dtype in NORMWISE_TOLERANCE:
            return self.expected
        return _expected(self.case, computed) | {name: self.expected[name] for name in FORWARD}

    def judge(
        self,
        witness: str,
        device: str,
        dtype: torch.dtype,
        tensors: Mapping[str, Tensor],
        expected: Mapping[str, Expected] | None = None,
        autograd_errors: Mapping[str, float] | None = None,
        only_show: bool = False,
    ) -> Iterator[Row]:
        """Judge tensors by name; ``witness`` is what computed them."""
        origin = Origin(self.case.name, witness, device, dtype)
        for name, tensor in tensors.items():
            yield origin.judge(
                name, tensor, (expected or self.expected)[name], autograd_error=(autograd_errors or {}).get(name),
                flips=self._flips(tensor) if name == "z2" else None, only_show=only_show,
            )  # fmt: skip

    def _flips(self, z2: Tensor) -> int | None:
        """ReLU masks, per unit and example, that differ from the reference's."""
        right = self.expected["z2"].value
        return int(((z2.detach().cpu() > 0) != (right > 0)).sum()) if z2.shape == right.shape else None


def numpy_rows(reference: Reference) -> Iterator[Row]:
    """The NumPy witness, float64."""
    parameters, inputs, labels, regularization = reference.case.problem
    w1, b1, w2, b2 = (tensor.numpy() for tensor in parameters)
    found = numpy_reference.intermediates(w1, b1, w2, b2, inputs.numpy(), labels.numpy(), regularization)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in found._asdict().items()}
    return reference.judge("numpy", "cpu", torch.float64, tensors)


def hand_rows(reference: Reference, device: str, dtype: torch.dtype) -> Iterator[Row]:
    """Every public function on one device in one dtype; autograd's error in the same limits theirs.

    A tensor that repeats one in every bit has no row.
    """
    reference = reference.for_dtype(dtype)
    here = reference.case.to(device, dtype)
    errors = None
    if dtype != torch.float64:
        theirs = autograd.intermediates(*here.problem)
        right = reference.seen_by(theirs)
        errors = {name: right[name].error(tensor, dtype) for name, tensor in theirs._asdict().items()}
    trace = two_layer.intermediates(*here.problem)
    loss, gradients = two_layer.loss_and_gradients(*here.problem)
    scores = two_layer.forward(here.parameters, here.inputs)
    expected, judged = reference.seen_by(trace), dict[str, Tensor]()
    for name, tensors in (
        ("loss_and_gradients", {"loss": loss, **gradients._asdict()}),
        ("intermediates", trace._asdict()),
        ("forward", {"scores": scores}),
    ):
        new = {key: tensor for key, tensor in tensors.items() if not _same(tensor, judged.get(key))}
        yield from reference.judge(f"hand: {name}", device, dtype, new, expected, errors)
        judged |= new


def _same(one: Tensor, other: Tensor | None) -> bool:
    """Whether two tensors are alike in every bit, so that the second judgement would repeat the first."""
    if other is None or one.shape != other.shape or one.requires_grad:
        return False
    return (one.dtype, one.device) == (other.dtype, other.device) and torch.equal(one, other)


def tf32_rows(reference: Reference, device: str) -> Iterator[Row]:
    """The error that TF32 costs, shown without a verdict."""
    reference = reference.for_dtype(torch.float32)
    with tf32(device) as label:
        trace = two_layer.intermediates(*reference.case.to(device, torch.float32).problem)
    return reference.judge(f"hand: {label}", device, torch.float32, trace._asdict(), only_show=True)


@torch.no_grad()
def uncancelled(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float, trace: Trace
) -> dict[str, Tensor]:
    """Every tensor of a trace with every minus made a plus, e.g. (p + onehot) / N for dz3; float64 on the CPU."""
    w1, b1, w2, b2 = (tensor.abs() for tensor in parameters)
    x, scores, p = inputs.abs(), trace.scores, trace.probabilities
    on = trace.z2 > 0
    z2 = x @ w1 + b1
    # softmax subtracts the maximum: rounding the scores changes p by p (1 - p) times that rounding
    p_terms = p * (1 + (1 - p) * (scores.abs() + scores.amax(1, keepdim=True).abs()))
    dz3 = (p_terms + one_hot(labels, p.shape[1])) / len(labels)
    da2 = dz3 @ w2.T
    dz2 = da2 * on
    penalty = regularization * (w1.square().sum() + w2.square().sum())
    target = scores.gather(1, labels[:, None]).squeeze(1)
    return {
        "z2": z2,
        "a2": z2 * on,
        "scores": trace.a2 @ w2 + b2,
        "probabilities": p_terms,
        "loss": (1 + scores.logsumexp(1).abs() + target.abs()).mean() + penalty,  # 1: what the logarithm is taken of
        "dz3": dz3,
        "da2": da2,
        "dz2": dz2,
        "w1": x.T @ dz2 + 2 * regularization * w1,
        "b1": dz2.sum(0),
        "w2": trace.a2.T @ dz3 + 2 * regularization * w2,
        "b2": dz3.sum(0),
    }


def _expected(case: Case, computed: Trace | None = None) -> dict[str, Expected]:
    trace = autograd.intermediates(*case.problem, computed)
    scores = trace.scores if computed is None else computed.scores.detach().cpu().double()
    if computed is not None:  # softmax subtracts the maximum of given scores without rounding
        scores = scores - scores.amax(1, keepdim=True)
    terms = uncancelled(*case.problem, trace._replace(scores=scores))
    return {name: Expected(value, float(terms[name].norm())) for name, value in trace._asdict().items()}
