"""Where a view writes: a logger, and a folder of pictures beside its files."""

from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.pictures.style import pixels, png, save

# TensorBoard sorts groups of tags by name: test, train, train_val_gap, val, val_reference, views (pictures), within.
WITHIN = "within"  # what happens inside the network and its steps


class NotDrawn(Exception):  # noqa: N818 - a reason, not a fault
    """Why a view draws nothing."""


class LeftOut(NotDrawn):
    """The run's own settings leave out what the view shows, such as a PCA."""


class Board(NamedTuple):
    """One run at one step.

    Attributes:
        logger: The trainer's TensorBoard logger, else its first logger.
        step: Optimizer steps taken, counted from 0, as Lightning counts them for its metrics.
        prefix: Put before every tag.
    """

    logger: Logger
    step: int
    prefix: str = ""

    @property
    def writer(self) -> SummaryWriter:
        """TensorBoard's.

        Raises:
            NotDrawn: Under any other logger.
        """
        if not isinstance(self.logger, TensorBoardLogger):
            raise NotDrawn(f"it needs a TensorBoardLogger, not a {type(self.logger).__name__}")
        return self.logger.experiment

    @property
    def folder(self) -> Path:
        """The run's.

        Raises:
            NotDrawn: If the logger has none.
        """
        if not isinstance(self.logger, TensorBoardLogger | CSVLogger):
            raise NotDrawn(f"{type(self.logger).__name__} has no run folder; TensorBoardLogger and CSVLogger have one")
        return Path(self.logger.log_dir)

    def figure(self, tag: str, figure: Figure) -> None:
        """Save a figure as PNG in the run's ``pictures/``, and show the same PNG in TensorBoard."""
        drawn = pixels(figure)
        content = png(drawn)
        save(content, self.folder / "pictures" / f"{tag.removeprefix('views/').replace('/', '_')}.png")
        if isinstance(self.logger, TensorBoardLogger):
            image = Summary.Image(height=len(drawn), width=drawn.shape[1], colorspace=3, encoded_image_string=content)
            events: Any = self.writer._get_file_writer()  # add_image would encode a second time
            events.add_summary(Summary(value=[Summary.Value(tag=self.prefix + tag, image=image)]), self.step)

    def scalar(self, tag: str, value: float) -> None:
        """Add a point to a curve, under any logger."""
        self.logger.log_metrics({self.prefix + tag: value}, step=self.step)


def board(trainer: Any, pl_module: Any) -> Board | None:
    """The run's board now; ``None`` on every process but the first, and in a ``fast_dev_run``.

    Raises:
        NotDrawn: If the trainer has no logger.
    """
    if not trainer.loggers:  # on every process alike
        raise NotDrawn("the trainer has no logger")
    if not trainer.is_global_zero or trainer.fast_dev_run:
        return None
    tensorboard = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    return Board((tensorboard or trainer.loggers)[0], last_step(trainer), prefix_of(pl_module))


def last_step(trainer: Any) -> int:
    """The latest optimizer step, counted from 0."""
    return max(trainer.global_step - 1, 0)


def prefix_of(pl_module: Any) -> str:
    """What the module puts before its metrics' names; empty for a module without ``metric_name()``."""
    named = getattr(pl_module, "metric_name", None)
    return str(named("")) if callable(named) else ""


def parameter_group(trainer: Any) -> dict[str, Any]:
    """The first optimizer's settings; empty without an optimizer."""
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    return groups[0] if groups else {}


def class_names(pl_module: Any, num_classes: int) -> list[str]:
    """The module's ``class_names``, else the labels as text."""
    names = getattr(pl_module, "class_names", None)
    return [str(number) for number in range(num_classes)] if names is None else list(names)


def preprocessing_of(pl_module: Any) -> Preprocessing | None:
    """The preprocessing from byte images to features that a module carries, if any."""
    found = getattr(pl_module, "preprocessing", None)
    return found if isinstance(found, Preprocessing) else None
