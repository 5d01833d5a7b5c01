"""Where a view writes: one run's TensorBoard events and its folder of pictures."""

from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from cifar_mlp.pictures.style import pixels, png, save


class Board(NamedTuple):
    """One moment of one run.

    Attributes:
        writer: TensorBoard's.
        folder: The run's.
        step: Optimizer steps taken, counted from 0, as Lightning counts them for its metrics.
        prefix: Put before every tag.
    """

    writer: SummaryWriter
    folder: Path
    step: int
    prefix: str = ""

    def figure(self, tag: str, figure: Figure) -> None:
        """Draw once; show it in TensorBoard, and keep it as PNG among the run's ``pictures/``."""
        drawn = pixels(figure)
        content = png(drawn)
        image = Summary.Image(height=len(drawn), width=drawn.shape[1], colorspace=3, encoded_image_string=content)
        events: Any = self.writer._get_file_writer()  # add_image would encode a second time
        events.add_summary(Summary(value=[Summary.Value(tag=self.prefix + tag, image=image)]), self.step)
        save(content, self.folder / "pictures" / f"{tag.removeprefix('pictures/').replace('/', '_')}.png")

    def scalar(self, tag: str, value: float) -> None:
        """Add a point to a curve."""
        self.writer.add_scalar(self.prefix + tag, value, self.step)


def board(trainer: Any, pl_module: Any) -> Board | None:
    """The run's board now; ``None`` on other processes and without a TensorBoard logger.

    To be asked on every process: they agree on the folder by a broadcast.
    """
    folder = trainer.log_dir
    if not isinstance(trainer.logger, TensorBoardLogger) or not trainer.is_global_zero or folder is None:
        return None
    return Board(trainer.logger.experiment, Path(folder), max(trainer.global_step - 1, 0), prefix_of(pl_module))


def prefix_of(pl_module: Any) -> str:
    """What the module puts before its metrics' names; nothing where it does not say."""
    named = getattr(pl_module, "metric_name", None)
    return "" if named is None else str(named(""))


def class_names(pl_module: Any, num_classes: int) -> list[str]:
    """The module's names of its classes, else their numbers."""
    names = getattr(pl_module, "class_names", None)
    return [str(number) for number in range(num_classes)] if names is None else list(names)
