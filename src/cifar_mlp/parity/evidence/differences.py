"""Central differences of the loss by hand, away from kinks."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from cifar_mlp.parity import layers, two_layer
from cifar_mlp.parity.evidence.cases import Case
from cifar_mlp.parity.two_layer import Parameters

STEP = 1e-5
SMALLEST_STEP = 1e-9


def loss_of(case: Case, parameters: Parameters) -> float:
    """The loss by hand at other parameters."""
    scores = two_layer.forward(parameters, case.inputs)
    data_loss, _ = layers.softmax_cross_entropy_forward(scores, case.labels)
    return float(data_loss + layers.l2_penalty_forward(case.regularization, parameters.w1, parameters.w2))


def every_entry(case: Case, name: str, loss: Callable[[Case, Parameters], float] = loss_of) -> Tensor:
    """The numerical gradient in all of one parameter's entries, in its shape."""
    shape = getattr(case.parameters, name).shape
    values = [entry(case, name, index, loss=loss) for index in product(*map(range, shape))]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def entry(
    case: Case,
    name: str,
    index: tuple[int, ...],
    step: float = STEP,
    loss: Callable[[Case, Parameters], float] = loss_of,
) -> float:
    """The numerical gradient in one entry: (J(w + h) - J(w - h)) / 2h."""
    base = getattr(case.parameters, name)

    def at(offset: float) -> float:
        moved = base.clone()
        moved[index] += offset
        return loss(case, case.parameters._replace(**{name: moved}))

    return (at(step) - at(-step)) / (2 * step)


def along(case: Case, name: str, direction: Tensor) -> float:
    """The numerical derivative along a direction of one parameter; the step shrinks until no ReLU flips."""
    base = getattr(case.parameters, name)

    def moved(offset: float) -> Parameters:
        return case.parameters._replace(**{name: base + offset * direction})

    step = _step_without_flips(case, moved)
    return (loss_of(case, moved(step)) - loss_of(case, moved(-step))) / (2 * step)


def drawn_entries(shape: torch.Size, count: int, generator: torch.Generator) -> list[tuple[int, ...]]:
    """Up to ``count`` different places in a tensor, all of them where it has no more."""
    total = shape.numel()
    places = torch.randperm(total, generator=generator)[:count]
    return [tuple(int(i) for i in torch.unravel_index(place, shape)) for place in places]


def _step_without_flips(case: Case, moved: Callable[[float], Parameters]) -> float:
    def mask(offset: float) -> Tensor:
        parameters = moved(offset)
        return case.inputs @ parameters.w1 + parameters.b1 > 0

    step, here = STEP, mask(0.0)
    while step > SMALLEST_STEP and not (torch.equal(mask(step), here) and torch.equal(mask(-step), here)):
        step /= 4
    return step
