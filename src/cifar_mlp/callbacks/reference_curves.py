"""Curves to read others against: the gap between training and validation, chance, and a linear network."""

from typing import Any

from cifar_mlp.callbacks.board import board
from cifar_mlp.callbacks.curve_layout import pairs
from cifar_mlp.callbacks.view import BoardCallback

LINEAR = 0.40  # softmax regression on CIFAR-10's pixels, see docs/results.md, Depth


class Gap(BoardCallback):
    """Logs ``train_val_gap/METRIC``, training less validation, and ``val_reference/chance`` after each epoch.

    ``val_reference/linear`` is about what softmax regression reaches on CIFAR-10; other images have none. Works under
    any logger. An epoch that was cut short, or not validated, has no figures of its own and gets no point.
    """

    _validated = False

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """This epoch has been validated."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log a point of each curve."""
        has_both, self._validated = self._validated and trainer.is_last_batch, False
        if not has_both:
            return
        with self.guarded(pl_module):
            here, metrics = board(trainer, pl_module), trainer.callback_metrics
            found = pairs(trainer)
            if here is None or not found:  # CurveLayout says why
                return
            for train, val in found.items():
                name = train.removeprefix(here.prefix).replace("train", "train_val_gap", 1)
                here.scalar(name, float(metrics[train] - metrics[val]))
            names = getattr(pl_module, "class_names", None)
            if names:
                here.scalar("val_reference/chance", 1 / len(names))
                if not here.prefix and len(names) == 10:
                    here.scalar("val_reference/linear", LINEAR)
