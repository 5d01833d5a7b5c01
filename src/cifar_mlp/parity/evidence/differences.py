"""Central differences of the hand-derived loss, away from kinks, against the reference's gradients."""

from collections.abc import Callable, Mapping
from itertools import product

import torch
from torch import Tensor

from cifar_mlp.parity import layers, two_layer
from cifar_mlp.parity.evidence.cases import Case
from cifar_mlp.parity.evidence.rows import Expected, Origin, Row, worst
from cifar_mlp.parity.two_layer import Parameters

Loss = Callable[[Case, Parameters], float]

STEP = 1e-5
SMALLEST_STEP = 1e-9
TOLERANCE = 1e-6  # normwise; truncation, STEP^2, and rounding, epsilon / STEP, are near 1e-10
ROUNDINGS = 8
"""Float64 roundings of the loss that a difference quotient may be off by."""
EVERY_ENTRY = 200
"""Number of parameters up to which every entry is differentiated; above, directions, which move all entries at once."""
DIRECTIONS = 3


def loss_of(case: Case, parameters: Parameters) -> float:
    """The hand-derived loss at other parameters."""
    scores = two_layer.forward(parameters, case.inputs)
    data_loss, _ = layers.softmax_cross_entropy_forward(scores, case.labels)
    return float(data_loss + layers.l2_penalty_forward(case.regularization, parameters.w1, parameters.w2))


def rows(case: Case, trace: Mapping[str, Expected], seed: int) -> list[Row]:
    """Every entry of a small case, three directions of each parameter of a large one: the worst, and all that fail."""
    generator = torch.Generator().manual_seed(seed)
    is_small = sum(parameter.numel() for parameter in case.parameters) <= EVERY_ENTRY
    found = []
    for name in case.parameters._fields:
        gradient = trace[name].value
        if is_small:
            label, numerical, expected = "every entry", every_entry(case, name).reshape(-1), gradient.reshape(-1)
        else:
            directions = [torch.randn(gradient.shape, generator=generator).double() for _ in range(DIRECTIONS)]
            numerical = torch.tensor([_along(case, name, one) for one in directions], dtype=torch.float64)
            expected = torch.stack([(gradient * one).sum() for one in directions])
            label = f"{DIRECTIONS} directions"
        found.append(_row(case, label, name, numerical, expected, trace["loss"].value))
    return worst(found)


def every_entry(case: Case, name: str, loss: Loss = loss_of) -> Tensor:
    """The numerical gradient in all entries of one parameter, with its shape."""
    shape = getattr(case.parameters, name).shape
    values = [entry(case, name, index, loss) for index in product(*map(range, shape))]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def entry(case: Case, name: str, index: tuple[int, ...], loss: Loss = loss_of) -> float:
    """The numerical gradient in one entry: (J(w + h) - J(w - h)) / 2h, h = 1e-5."""
    base = getattr(case.parameters, name)

    def at(offset: float) -> float:
        moved = base.clone()
        moved[index] += offset
        return loss(case, case.parameters._replace(**{name: moved}))

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def _along(case: Case, name: str, direction: Tensor) -> float:
    """The numerical derivative along a direction of one parameter, with a step so small that no ReLU flips."""
    base = getattr(case.parameters, name)

    def moved(offset: float) -> Parameters:
        return case.parameters._replace(**{name: base + offset * direction})

    def mask(offset: float) -> Tensor:
        return case.inputs @ moved(offset).w1 + moved(offset).b1 > 0

    step, here = STEP, mask(0.0)
    while step > SMALLEST_STEP and not (torch.equal(mask(step), here) and torch.equal(mask(-step), here)):
        step /= 4
    return (loss_of(case, moved(step)) - loss_of(case, moved(-step))) / (2 * step)


def _row(case: Case, label: str, name: str, numerical: Tensor, expected: Tensor, loss: Tensor) -> Row:
    # the two losses of a quotient are rounded, however small the gradient
    rounding = ROUNDINGS * torch.finfo(torch.float64).eps * max(1.0, float(loss)) / STEP
    scale = float(expected.norm()) + rounding * len(numerical) ** 0.5 / TOLERANCE
    origin = Origin(case.name, f"differences: {label}", "cpu", torch.float64)
    return origin.judge(name, numerical, Expected(expected), scale=scale, limit=TOLERANCE)
