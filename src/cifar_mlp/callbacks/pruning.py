"""A training that asks, after each epoch, whether it should continue."""

import json
import sys
from typing import Any

from lightning.pytorch import Callback

REPORT = "epoch report: "
CONTINUE = "continue"


class AskToGoOn(Callback):
    """Tells the process that started this one each validation's accuracy, and ends it unless told to continue.

    The report is one line on standard output; the answer one line on standard input. Without an answer training
    ends too. It ends as after its last epoch: with its checkpoints and records.

    Args:
        monitor: Metric to report, without the source's prefix.
    """

    def __init__(self, monitor: str = "val/accuracy") -> None:
        self.monitor = monitor

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Report, and wait for the answer."""
        if trainer.sanity_checking:
            return
        named = getattr(pl_module, "metric_name", str)
        report = {"epoch": trainer.current_epoch + 1, "value": float(trainer.callback_metrics[named(self.monitor)])}
        go_on = _ask(report) if trainer.is_global_zero else True
        if not trainer.strategy.reduce_boolean_decision(go_on, all=True):
            trainer.should_stop = True


def _ask(report: dict[str, float]) -> bool:
    try:
        print(REPORT + json.dumps(report), flush=True)
        return sys.stdin.readline().strip() == CONTINUE
    except OSError:  # the other process is gone
        return False
