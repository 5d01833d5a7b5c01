"""Loss and accuracy of an epoch's training steps, at almost no cost per step."""

import torch
from torch import Tensor

STEPS_TOGETHER = 256  # bounds what is kept: 256 batches' logits


class TrainingMean:
    """Mean loss and accuracy over the images of all steps since the last reading.

    A step only adds references; the arithmetic is done for many steps at once. Nothing waits for the device.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []
        self._sums: Tensor | None = None
        self._images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a step.

        Args:
            loss: Mean over the batch, ``()``.
            logits: ``(B, classes)``.
            labels: int64 ``(B,)``.
        """
        self._steps.append((loss.detach(), logits.detach(), labels))
        if len(self._steps) == STEPS_TOGETHER:
            self._count()

    def read(self) -> tuple[Tensor, Tensor] | None:
        """Mean loss and accuracy, then reset; ``None`` if nothing was added."""
        self._count()
        if self._sums is None:
            return None
        loss, accuracy = self._sums / self._images
        self._sums, self._images = None, 0
        return loss, accuracy

    def _count(self) -> None:
        if not self._steps:
            return
        losses, logits, labels = zip(*self._steps, strict=True)
        sizes = [len(batch) for batch in labels]
        weights = torch.tensor(sizes, dtype=torch.float32).to(losses[0].device, non_blocking=True)
        loss = (torch.stack(losses).float() * weights).sum()
        correct = (torch.cat(logits).argmax(dim=1) == torch.cat(labels)).sum()
        sums = torch.stack([loss, correct.float()])
        self._sums = sums if self._sums is None else self._sums + sums
        self._images += sum(sizes)
        self._steps.clear()
