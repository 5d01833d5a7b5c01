"""Those who vouch for the reference: autograd, NumPy, and central differences of the loss."""

from collections.abc import Iterator

import torch
from torch import Tensor

from cifar_mlp.parity import witness
from cifar_mlp.parity.evidence import autograd
from cifar_mlp.parity.evidence import differences as central
from cifar_mlp.parity.evidence.cases import Case
from cifar_mlp.parity.evidence.gates import DIFFERENCES_LIMIT, Judgement
from cifar_mlp.parity.evidence.measures import measure
from cifar_mlp.parity.evidence.rows import Row, judged_row
from cifar_mlp.parity.two_layer import Trace

EVERY_ENTRY = 200
"""Parameters up to which all are differentiated numerically."""
DRAWN_ENTRIES = 100
DIRECTIONS = 3
ROUNDINGS = 8
"""Of the loss, float64's own, that a difference quotient may be off by."""


def vouch(case: Case) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Autograd's and NumPy's word on every tensor, in float64."""
    problem = (case.parameters, case.inputs, case.labels, case.regularization)
    yield "autograd", autograd.intermediates(*problem)._asdict()
    w1, b1, w2, b2 = (parameter.numpy() for parameter in case.parameters)
    inputs, labels = case.inputs.numpy(), case.labels.numpy()
    statement = witness.testify(w1, b1, w2, b2, inputs, labels, case.regularization)
    yield "numpy", {name: torch.from_numpy(array.copy()) for name, array in statement._asdict().items()}


def differences(case: Case, trace: Trace, seed: int) -> Iterator[Row]:
    """Central differences beside the gradients: every entry of a small case, else 100 and 3 directions."""
    generator = torch.Generator().manual_seed(seed)
    sizes = {name: parameter.numel() for name, parameter in case.parameters._asdict().items()}
    small = sum(sizes.values()) <= EVERY_ENTRY
    for name, count in sizes.items() if small else _shares(sizes, DRAWN_ENTRIES).items():
        gradient = getattr(trace, name)
        places = central.drawn_entries(gradient.shape, count, generator)
        numerical = torch.tensor([central.entry(case, name, place) for place in places], dtype=torch.float64)
        by_hand = torch.stack([gradient[place] for place in places])
        label = f"differences: {'every entry' if small else f'{count} entries'}"
        yield _row(case, label, name, numerical, by_hand, trace.loss)
    if small:
        return
    for name in sizes:
        gradient = getattr(trace, name)
        directions = [torch.randn(gradient.shape, generator=generator).double() for _ in range(DIRECTIONS)]
        numerical = torch.tensor([central.along(case, name, one) for one in directions], dtype=torch.float64)
        by_hand = torch.stack([(gradient * one).sum() for one in directions])
        yield _row(case, f"differences: {DIRECTIONS} directions", name, numerical, by_hand, trace.loss)


def _shares(sizes: dict[str, int], total: int) -> dict[str, int]:
    """Split ``total`` draws evenly, small tensors giving what they cannot use to the larger ones."""
    shares, left = {}, total
    for done, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        shares[name] = min(size, left // (len(sizes) - done))
        left -= shares[name]
    return shares


def _row(case: Case, label: str, name: str, numerical: Tensor, by_hand: Tensor, loss: Tensor) -> Row:
    scale = float(torch.linalg.vector_norm(by_hand))
    errors = measure(numerical, by_hand, scale, torch.float64)
    # the two losses of a quotient are rounded, whatever the gradient's size
    rounding = ROUNDINGS * torch.finfo(torch.float64).eps * max(1.0, float(loss)) / central.STEP
    allowed = DIFFERENCES_LIMIT * scale + rounding * len(by_hand) ** 0.5
    error = errors.normwise_error * scale
    reason = "" if error <= allowed else f"off by {errors.normwise_error:.1e} normwise"
    limit = allowed / scale if scale else None
    judgement = Judgement("FAIL" if reason else "pass", reason, limit, share=error / allowed)
    return judged_row(case.name, label, "cpu", torch.float64, name, errors, None, judgement)
