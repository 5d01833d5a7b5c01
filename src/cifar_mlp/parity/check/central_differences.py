"""Central differences of somebody's own loss: at one step, and at two more where they contradict the gradient."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

STEPS = {False: (1e-5, 1e-4, 1e-6), True: (3e-2, 1e-1, 1e-2)}
TOLERANCE = {False: 1e-5, True: 3e-2}
ENTRIES = 48  # of a tensor, where all would be too many
EVERY = 450
PLATEAU = 3.0  # the error of a wrong gradient changes less than this from step to step


class Quotient(NamedTuple):
    """One tensor's differentiated entries against its gradient."""

    entries: Tensor
    value: Tensor  # (entries,), at the step that agrees best
    error: float
    verdict: str  # right, wrong or inconclusive

    def beside(self, *tensors: Tensor) -> list[Tensor]:
        """The value, then the same entries of others; in a tensor's own form if all entries were differentiated."""
        form = tensors[0].shape if len(self.entries) == tensors[0].numel() else (-1,)
        return [x.reshape(form) for x in (self.value, *(tensor.reshape(-1)[self.entries] for tensor in tensors))]


def quotients(
    loss: Callable[[list[Tensor]], float],
    point: list[Tensor],
    gradients: Sequence[Tensor],
    single: bool,
    most: int | None = None,
) -> list[Quotient]:
    """Differentiate ``loss`` in ``most`` drawn entries of each tensor; by default in all of a small problem."""
    generator = torch.Generator().manual_seed(0)
    if most is None:
        most = EVERY if sum(tensor.numel() for tensor in point) <= EVERY else ENTRIES
    chosen = [torch.randperm(tensor.numel(), generator=generator)[:most].sort().values for tensor in point]

    def at(index: int, step: float) -> Tensor:
        found = [difference(loss, point, index, int(entry), step) for entry in chosen[index]]
        return torch.tensor(found, dtype=torch.float64)

    first, *others = STEPS[single]
    values = [[at(index, first)] for index in range(len(point))]
    floor = 1e-6 * max(float(value[0].norm()) for value in values) + 1e-12
    found = []
    for index, gradient in enumerate(gradients):
        mine = gradient.reshape(-1)[chosen[index]]
        scale = max(float(values[index][0].norm()), floor)

        def error(value: Tensor, mine: Tensor = mine, scale: float = scale) -> float:
            relative = float((value - mine).norm()) / scale
            return relative if relative == relative else float("inf")

        if error(values[index][0]) > TOLERANCE[single]:
            values[index] += [at(index, step) for step in others]
        ordered = sorted(values[index], key=error)
        least = error(ordered[0])
        verdict = "right"
        if least > TOLERANCE[single]:
            verdict = "wrong" if error(ordered[1]) <= PLATEAU * least else "inconclusive"
        found.append(Quotient(chosen[index], ordered[0], least, verdict))
    return found


def difference(
    loss: Callable[[list[Tensor]], float], point: list[Tensor], index: int, entry: int, step: float
) -> float:
    """The derivative of ``loss`` in one entry of one tensor; the step is relative where the entry is above 1."""
    step *= max(1.0, abs(float(point[index].reshape(-1)[entry])))
    found = []
    for sign in (1, -1):
        moved = list(point)
        moved[index] = point[index].clone()
        moved[index].view(-1)[entry] += sign * step
        found.append(loss(moved))
    return (found[0] - found[1]) / (2 * step)
