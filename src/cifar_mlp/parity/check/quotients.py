"""Central differences of somebody's own loss at three steps."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

STEPS = {False: (1e-4, 1e-5, 1e-6), True: (1e-1, 3e-2, 1e-2)}
TOLERANCE = {False: 1e-5, True: 3e-2}
ENTRIES = 48  # of a tensor, where all would be too many
EVERY = 450
PLATEAU = 3.0  # the error of a wrong gradient changes less than this from step to step


class Quotients(NamedTuple):
    """Differentiated entries of each tensor, at each step."""

    entries: list[Tensor]
    values: list[Tensor]  # (3, entries)

    def judge(self, gradients: list[Tensor], single: bool) -> tuple[list[float], list[str]]:
        """The least error of each tensor, and right, wrong or inconclusive."""
        norms = [float(value[1].norm()) for value in self.values]
        floor = 1e-6 * max(norms) + 1e-12
        errors, verdicts = [], []
        for entries, value, gradient in zip(self.entries, self.values, gradients, strict=True):
            mine = gradient.reshape(-1)[entries]
            scale = max(float(value[1].norm()), floor)
            at = [float((row - mine).norm()) / scale for row in value]
            at = [error if error == error else float("inf") for error in at]
            errors.append(min(at))
            tolerance = TOLERANCE[single]
            flat = sorted(at)[:2]
            if min(at) <= tolerance:
                verdicts.append("right")
            else:
                verdicts.append("wrong" if flat[1] <= PLATEAU * flat[0] else "inconclusive")
        return errors, verdicts

    def gradients(self, shapes: list[tuple[int, ...]]) -> list[Tensor] | None:
        """The differentiated gradients, if every entry was."""
        if any(
            len(entries) != int(torch.tensor(shape).prod()) for entries, shape in zip(self.entries, shapes, strict=True)
        ):
            return None
        return [value[1].reshape(shape) for value, shape in zip(self.values, shapes, strict=True)]


def quotients(loss: Callable[[list[Tensor]], float], point: list[Tensor], single: bool) -> Quotients:
    """Differentiate ``loss`` in every entry of a small problem, in drawn ones of a large one."""
    generator = torch.Generator().manual_seed(0)
    every = sum(tensor.numel() for tensor in point) <= EVERY
    all_entries, values = [], []
    for index, tensor in enumerate(point):
        entries = torch.randperm(tensor.numel(), generator=generator)
        entries = torch.arange(tensor.numel()) if every else entries[:ENTRIES]
        rows = []
        for step in STEPS[single]:
            rows.append(torch.tensor([_entry(loss, point, index, int(e), step) for e in entries], dtype=torch.float64))
        all_entries.append(entries)
        values.append(torch.stack(rows))
    return Quotients(all_entries, values)


def _entry(loss: Callable[[list[Tensor]], float], point: list[Tensor], index: int, entry: int, step: float) -> float:
    step *= max(1.0, abs(float(point[index].reshape(-1)[entry])))
    found = []
    for sign in (1, -1):
        moved = [tensor.clone() for tensor in point]
        moved[index].view(-1)[entry] += sign * step
        found.append(loss(moved))
    return (found[0] - found[1]) / (2 * step)
