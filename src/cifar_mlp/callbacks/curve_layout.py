"""Which curves TensorBoard puts on one chart."""

from typing import Any

from cifar_mlp.callbacks import per_class
from cifar_mlp.callbacks.board import Board, LeftOut
from cifar_mlp.callbacks.view import BoardCallback


class CurveLayout(BoardCallback):
    """Fills TensorBoard's custom scalars after the first epoch: training and validation on one chart.

    Pairs every metric with ``train`` in its name with the one that says ``val`` instead, such as ``train/loss`` and
    ``val/loss``. The accuracies of all classes share a chart.
    """

    def __init__(self) -> None:
        self._written = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forget an earlier fit."""
        self._written = False

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the layout once its metrics are known."""
        if not self._written and pairs(trainer):
            self.attempt(self._write, trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the layout of metrics that came late; say so if there are none."""
        if not self._written:
            self.attempt(self._write, trainer, pl_module)

    def _write(self, trainer: Any, pl_module: Any, board: Board) -> None:
        charts = {}
        for train, val in pairs(trainer).items():
            title = train.removeprefix(board.prefix).replace("train", "", 1).strip("/_")
            lines = [train, val]
            if title == "accuracy":  # those that Gap draws, where it does
                lines += [f"{board.prefix}val_reference/{name}" for name in ("chance", "linear")]
            charts[title] = ["Multiline", [exactly(line) for line in lines]]
        if not charts:
            raise LeftOut("no metric is logged both for train and for val, as train/loss and val/loss")
        classes = [exactly(per_class.tag(pl_module, name)) for name in getattr(pl_module, "class_names", [])]
        if classes:
            charts["accuracy of each class"] = ["Multiline", classes]
        board.writer.add_custom_scalars({board.prefix.rstrip("/") or "curves": charts})
        self._written = True


def pairs(trainer: Any) -> dict[str, str]:
    """Training metrics and their validation counterparts, by name."""
    names = sorted(trainer.callback_metrics)
    return {name: other for name in names if (other := name.replace("train", "val", 1)) != name and other in names}


def exactly(tag: str) -> str:
    """The regular expression that matches this tag only, as TensorBoard reads it in Python and in the browser."""
    return "^" + "".join("\\" + letter if letter in r"\^$.|?*+()[]{}" else letter for letter in tag) + "$"
