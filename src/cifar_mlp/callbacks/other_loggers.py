"""Pictures and texts for loggers other than TensorBoard's, each by its own means."""

from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from numpy.typing import NDArray


def takes_pictures(logger: Any) -> bool:
    """Whether :func:`show_picture` can give the logger a picture: MLflow, Weights & Biases, or one with its methods."""
    return isinstance(logger, MLFlowLogger) or callable(getattr(logger, "log_image", None))


def show_picture(logger: Any, tag: str, picture: NDArray[Any], step: int) -> None:
    """Give a picture, uint8 ``(height, width, 3)``, to a logger that takes pictures."""
    if isinstance(logger, MLFlowLogger):
        logger.experiment.log_image(logger.run_id, picture, key=tag, step=step)
    else:
        logger.log_image(tag, [picture], step)


def takes_texts(logger: Any) -> bool:
    """The same for :func:`show_text`."""
    return isinstance(logger, MLFlowLogger) or callable(getattr(logger, "log_text", None))


def show_text(logger: Any, tag: str, text: str) -> None:
    """Give a Markdown text to a logger that takes texts."""
    if isinstance(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, text, f"{tag}.md")
    else:
        logger.log_text(tag, ["text"], [[text]])
