"""The learning-rate schedules that ``lr_scheduler`` takes."""

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch.cli import ReduceLROnPlateau
from torch.optim import lr_scheduler


class Schedule(ABC):
    """Any of PyTorch's schedules or a user's own; the type that the command line looks names up in.

    ``ReduceLROnPlateau`` is Lightning's, which names the metric that it watches (``monitor``). PyTorch's of the same
    name does not, so no trainer can step it.
    """

    @abstractmethod
    def step(self) -> None:
        """Advance by one epoch or step."""

    @classmethod
    def __subclasses__(cls) -> list[type]:
        """Where jsonargparse finds a class by its short name."""
        every = [
            kind for kind in lr_scheduler.LRScheduler.__subclasses__() if kind is not lr_scheduler.ReduceLROnPlateau
        ]
        return [*every, ReduceLROnPlateau]


Schedule.register(lr_scheduler.LRScheduler)


def watching(maker: Any, init_args: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """PyTorch's ``ReduceLROnPlateau`` as Lightning's, which watches ``val/loss`` unless told otherwise."""
    if maker is lr_scheduler.ReduceLROnPlateau:
        return ReduceLROnPlateau, {"monitor": "val/loss", **init_args}
    return maker, init_args
