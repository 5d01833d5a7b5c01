"""Which class is taken for which: a picture."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torchmetrics.classification import MulticlassConfusionMatrix


class ConfusionMatrix(Callback):
    """Draws the confusion matrix of the last validation in a fit, and of every test, to TensorBoard and as PNG."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the last validation's."""
        self._draw(trainer, pl_module, "val", pl_module.val_confusion)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw the test's."""
        self._draw(trainer, pl_module, "test", pl_module.test_confusion)

    def _draw(self, trainer: Any, pl_module: Any, stage: str, confusion: MulticlassConfusionMatrix) -> None:
        if not confusion.update_called:
            return
        # On every process: counts are added up over them, and the folder is agreed on.
        counts_CC, folder = confusion.compute(), trainer.log_dir
        if not isinstance(trainer.logger, TensorBoardLogger) or not trainer.is_global_zero:
            return
        from matplotlib.figure import Figure

        classes = pl_module.class_names
        shares_CC = counts_CC / counts_CC.sum(1, keepdim=True).clamp(min=1)
        side = 2.5 + 0.42 * len(classes)
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.add_subplot()
        drawn = axes.imshow(shares_CC.cpu().numpy(), cmap="Blues", vmin=0, vmax=1)
        if len(classes) <= 20:
            for true, row in enumerate(counts_CC.tolist()):
                for predicted, count in enumerate(row):
                    shade = "white" if shares_CC[true, predicted] > 0.5 else "black"
                    axes.text(predicted, true, str(count), ha="center", va="center", color=shade, fontsize=7)
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        name = pl_module.metric_name(f"{stage}/confusion_matrix")
        axes.set(
            xlabel="predicted class", ylabel="true class", title=f"{name}: images, {int(counts_CC.sum()):,} in all"
        )
        figure.colorbar(drawn, ax=axes, label="share of the true class", shrink=0.8)
        if folder is not None:
            path = Path(folder) / "pictures" / f"{stage}_confusion_matrix.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=120)
        trainer.logger.experiment.add_figure(name, figure, trainer.global_step)
