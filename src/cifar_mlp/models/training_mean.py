"""Loss and accuracy of an epoch's training steps, at almost no cost per step."""

from typing import Any

import torch
from torch import Tensor

STEPS_TOGETHER = 256  # bounds what is kept: 256 batches' logits


class TrainingMean:
    """Mean loss and accuracy over the images of all of an epoch's steps, whether or not it was resumed in its middle.

    A step only adds references; the arithmetic is done for many steps at once. Nothing waits for the device.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []
        self._losses: list[Tensor] = []  # one a step until the end: sums of sums would depend on where they were cut
        self._sizes: list[int] = []
        self._correct: Tensor | None = None
        self._is_read = True

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a step.

        Args:
            loss: Mean over the batch, ``()``.
            logits: ``(B, classes)``.
            labels: int64 ``(B,)``.
        """
        self._steps.append((loss.detach(), logits.detach(), labels))
        self._is_read = False
        if len(self._steps) == STEPS_TOGETHER:
            self._count()

    def read(self) -> tuple[Tensor, Tensor] | None:
        """Mean loss and accuracy of the epoch so far; ``None`` if nothing was added since the last reading."""
        if self._is_read:
            return None
        self._count()
        self._is_read = True
        losses = torch.cat(self._losses)
        sizes = torch.tensor(self._sizes, dtype=torch.float32).to(losses.device, non_blocking=True)
        assert self._correct is not None
        return (losses * sizes).sum() / sum(self._sizes), self._correct.float() / sum(self._sizes)

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold; it depends on the steps alone, not on how often it is asked for."""
        self._count()
        losses = torch.cat(self._losses).cpu() if self._losses else torch.empty(0)
        correct = 0 if self._correct is None else int(self._correct)
        return {"losses": losses, "sizes": list(self._sizes), "correct": correct}

    def load(self, state: dict[str, Any], device: torch.device) -> None:
        """Continue from a checkpoint; what it has counted was logged, if at all, where the training broke off."""
        self.reset()
        if state["sizes"]:
            self._losses, self._sizes = [state["losses"].to(device)], list(state["sizes"])
            self._correct = torch.tensor(state["correct"], device=device)
            self._is_read = False

    def _count(self) -> None:
        if not self._steps:
            return
        losses, logits, labels = zip(*self._steps, strict=True)
        self._losses.append(torch.stack(losses).float())
        self._sizes += [len(batch) for batch in labels]
        correct = (torch.cat(logits).argmax(dim=1) == torch.cat(labels)).sum()
        self._correct = correct if self._correct is None else self._correct + correct
        self._steps.clear()


def of_all_processes(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The states of all processes that train together, by rank; every process must ask."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [state]
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, state)
    return states
