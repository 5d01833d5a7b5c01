"""How well each class is recognized, and which classes are confused."""

from typing import Any

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from cifar_mlp.callbacks.board import Board, LeftOut, NotDrawn, board, class_names, prefix_of
from cifar_mlp.callbacks.probe import predictions
from cifar_mlp.callbacks.view import BoardCallback, View
from cifar_mlp.pictures.confusion import confusion_matrix


class ClassAccuracy(BoardCallback):
    """Logs ``val_class_accuracy/CLASS`` after every validation of a fit, under any logger.

    The module must update ``val_confusion``, a torchmetrics ``MulticlassConfusionMatrix``.
    """

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log a point for each class."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        with self.guarded(pl_module):
            here, counts_CC = board(trainer, pl_module), counts(pl_module, "val")
            if here is not None:
                accuracy_C = counts_CC.diagonal() / counts_CC.sum(1).clamp(min=1)
                tags = [tag(pl_module, name) for name in class_names(pl_module, len(counts_CC))]
                here.scalars(dict(zip(tags, accuracy_C.tolist(), strict=True)))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Say so if there was nothing to log."""
        with self.guarded(pl_module):
            board(trainer, pl_module)
            counts(pl_module, "val")


class ConfusionMatrix(BoardCallback):
    """Draws ``val/confusion_matrix`` of a fit's last validation, and ``test/confusion_matrix`` of every test.

    The module must update ``val_confusion`` and ``test_confusion``, torchmetrics ``MulticlassConfusionMatrix``.
    """

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the last validation."""
        self._draw(trainer, pl_module, "val", "Validation")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the test."""
        self._draw(trainer, pl_module, "test", "Test")

    def _draw(self, trainer: Any, pl_module: Any, stage: str, title: str) -> None:
        with self.guarded(pl_module):
            here, counts_CC = board(trainer, pl_module), counts(pl_module, stage)
            if here is not None:
                names = class_names(pl_module, len(counts_CC))
                here.figure(f"{stage}/confusion_matrix", confusion_matrix(counts_CC, names, title))


class PrecisionRecall(View):
    """Writes ``val_precision_recall/CLASS``: each class against all others on the validation split."""

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write a curve for each class."""
        writer, found = board.writer, predictions(trainer, pl_module)
        names = class_names(pl_module, found.probabilities.shape[1])
        for label, (name, probability) in enumerate(zip(names, found.probabilities.T, strict=True)):
            tag = f"{board.prefix}val_precision_recall/{name}"
            writer.add_pr_curve(tag, found.labels == label, probability, board.step)


def counts(pl_module: Any, stage: str) -> Tensor:
    """Images by true class (row) and predicted class (column), float64 ``(C, C)``, on the CPU.

    To be called on every process, since it adds up the counts of all.

    Raises:
        NotDrawn: If the module has no confusion matrix, or never updated it.
    """
    confusion = getattr(pl_module, f"{stage}_confusion", None)
    if not isinstance(confusion, MulticlassConfusionMatrix):
        raise NotDrawn(f"the module has no {stage}_confusion, a torchmetrics MulticlassConfusionMatrix")
    if not confusion.update_called:
        raise LeftOut(f"the module's {stage}_confusion was never updated")
    return confusion.compute().double().cpu()


def tag(pl_module: Any, name: str) -> str:
    """The tag of a class's accuracy."""
    return f"{prefix_of(pl_module)}val_class_accuracy/{name}"
