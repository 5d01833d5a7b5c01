"""How well each class is recognized."""

from typing import Any

from lightning.pytorch import Callback

from cifar_mlp.callbacks.board import class_names, prefix_of


class ClassAccuracy(Callback):
    """Logs ``val_class_accuracy/CLASS`` after every validation: the share of its images that are recognized.

    The module must count its validation's confusions in ``val_confusion``, a torchmetrics confusion matrix.
    """

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log a point a class."""
        confusion = getattr(pl_module, "val_confusion", None)
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        if confusion is None or not confusion.update_called or not fitting:
            return
        counts_CC = confusion.compute().double().cpu()  # on every process: counts are added up over them
        if trainer.logger is None:
            return
        accuracy_C = counts_CC.diagonal() / counts_CC.sum(1).clamp(min=1)
        names = class_names(pl_module, len(counts_CC))
        values = {tag(pl_module, name): value for name, value in zip(names, accuracy_C.tolist(), strict=True)}
        trainer.logger.log_metrics(values, step=max(trainer.global_step - 1, 0))


def tag(pl_module: Any, name: str) -> str:
    """Under which a class's accuracy is logged."""
    return f"{prefix_of(pl_module)}val_class_accuracy/{name}"
