"""Where a view writes: every logger of the run, and a folder of pictures beside the files of TensorBoard or CSV."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from cifar_mlp.callbacks.other_loggers import show_picture, show_text, takes_pictures, takes_texts
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
        loggers: The trainer's.
        step: Optimizer steps taken, counted from 0, as Lightning counts them for its metrics.
        prefix: Put before every tag.
    """

    loggers: tuple[Logger, ...]
    step: int
    prefix: str = ""

    @property
    def others(self) -> list[Logger]:
        """The loggers that are not TensorBoard's."""
        return [logger for logger in self.loggers if not isinstance(logger, TensorBoardLogger)]

    @property
    def writer(self) -> SummaryWriter:
        """TensorBoard's.

        Raises:
            NotDrawn: Under any other logger.
        """
        if (writer := self.tensorboard) is None:
            raise NotDrawn(f"it needs a TensorBoardLogger, not a {self._names()}")
        return writer

    @property
    def tensorboard(self) -> SummaryWriter | None:
        """TensorBoard's writer, if it is among the loggers."""
        found = (logger for logger in self.loggers if isinstance(logger, TensorBoardLogger))
        return next((logger.experiment for logger in found), None)

    @property
    def folder(self) -> Path:
        """The run's.

        Raises:
            NotDrawn: If the logger has none.
        """
        if (found := self.folder_if_any) is None:
            raise NotDrawn(f"{self._names()} has no run folder; TensorBoardLogger and CSVLogger have one")
        return found

    @property
    def folder_if_any(self) -> Path | None:
        """The folder of TensorBoard's logger, else of CSV's."""
        for kind in (TensorBoardLogger, CSVLogger):
            for logger in self.loggers:
                if isinstance(logger, kind):
                    return Path(logger.log_dir)
        return None

    def _names(self) -> str:
        return " and ".join(type(logger).__name__ for logger in self.loggers)

    def figure(self, tag: str, figure: Figure) -> None:
        """Save a figure as PNG in the run's ``pictures/``, and give it to every logger that takes pictures.

        Raises:
            NotDrawn: If there is neither.
        """
        drawn = pixels(figure)
        takers = [logger for logger in self.others if takes_pictures(logger)]
        for logger in takers:
            show_picture(logger, self.prefix + tag, drawn, self.step)
        if takers and self.folder_if_any is None:
            return
        content = png(drawn)
        save(content, self.folder / "pictures" / f"{tag.removeprefix('views/').replace('/', '_')}.png")
        if self.tensorboard is not None:
            image = Summary.Image(height=len(drawn), width=drawn.shape[1], colorspace=3, encoded_image_string=content)
            events: Any = self.writer._get_file_writer()  # add_image would encode a second time
            events.add_summary(Summary(value=[Summary.Value(tag=self.prefix + tag, image=image)]), self.step)

    def scalar(self, tag: str, value: float) -> None:
        """Add a point to a curve, its tag after the prefix."""
        self.scalars({self.prefix + tag: value})

    def scalars(self, values: Mapping[str, float]) -> None:
        """Add a point to each of several curves, under every logger."""
        for logger in self.loggers:
            logger.log_metrics(dict(values), step=self.step)

    @property
    def takes_texts(self) -> bool:
        """Whether any logger takes texts."""
        return self.tensorboard is not None or any(map(takes_texts, self.others))

    def text(self, tag: str, text: str, step: int) -> None:
        """Show a Markdown text in every logger that takes texts; TensorBoard shows it at ``step``.

        Raises:
            NotDrawn: If none does.
        """
        takers = [logger for logger in self.others if takes_texts(logger)]
        for logger in takers:
            show_text(logger, tag, text)
        if not takers or self.tensorboard is not None:
            self.writer.add_text(tag, text, step)


def board(trainer: Any, pl_module: Any) -> Board | None:
    """The run's board now; ``None`` on every process but the first, and in a ``fast_dev_run``.

    Raises:
        NotDrawn: If the trainer has no logger.
    """
    if not trainer.loggers:  # on every process alike
        raise NotDrawn("the trainer has no logger")
    if not trainer.is_global_zero or trainer.fast_dev_run:
        return None
    return Board(tuple(trainer.loggers), last_step(trainer), prefix_of(pl_module))


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
