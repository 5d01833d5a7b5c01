"""Which class is taken for which: a picture."""

from typing import Any

from lightning.pytorch import Callback
from torchmetrics.classification import MulticlassConfusionMatrix

from cifar_mlp.callbacks.board import board, class_names
from cifar_mlp.pictures.confusion import confusion_matrix


class ConfusionMatrix(Callback):
    """Draws the confusion matrix of the last validation in a fit, and of every test, to TensorBoard and as PNG.

    The module must count confusions in ``val_confusion`` and ``test_confusion``, torchmetrics confusion matrices.
    """

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the last validation's."""
        self._draw(trainer, pl_module, "val", getattr(pl_module, "val_confusion", None))

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the test's."""
        self._draw(trainer, pl_module, "test", getattr(pl_module, "test_confusion", None))

    def _draw(self, trainer: Any, pl_module: Any, stage: str, confusion: MulticlassConfusionMatrix | None) -> None:
        if confusion is None or not confusion.update_called:
            return
        # On every process: counts are added up over them, and the folder is agreed on.
        counts_CC, here = confusion.compute(), board(trainer, pl_module)
        if here is None:
            return
        title = {"val": "Validation", "test": "Test"}[stage]
        figure = confusion_matrix(counts_CC, class_names(pl_module, len(counts_CC)), title)
        here.figure(f"{stage}/confusion_matrix", figure)
