"""Which curves TensorBoard puts on one chart."""

from typing import Any

from lightning.pytorch import Callback

from cifar_mlp.callbacks import class_accuracy
from cifar_mlp.callbacks.board import board


class CurveLayout(Callback):
    """Fills TensorBoard's custom scalars: training and validation on one chart, all classes on another."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write the layout."""
        here = board(trainer, pl_module)
        if here is None:
            return
        curves = here.prefix.rstrip("/") or "curves"
        classes = [class_accuracy.tag(pl_module, name) for name in getattr(pl_module, "class_names", [])]
        charts = {name: ["Multiline", [exactly(f"{here.prefix}{stage}/{name}") for stage in ("train", "val")]]
                  for name in ("loss", "accuracy")}  # fmt: skip
        if classes:
            charts["accuracy of each class"] = ["Multiline", [exactly(name) for name in classes]]
        here.writer.add_custom_scalars({curves: charts})


def exactly(tag: str) -> str:
    """The regular expression that matches this tag alone, as TensorBoard reads it in Python and in the browser."""
    return "^" + "".join("\\" + letter if letter in r"\^$.|?*+()[]{}" else letter for letter in tag) + "$"
