"""What Lightning says on every run and what does not apply here, message by message, each with its reason."""

import logging
import os
import re
import warnings
from typing import Any

from lightning.pytorch import Callback

# Said on every run. Everything else that Lightning logs is shown.
_HABITUAL = re.compile(
    r"(GPU|TPU|HPU) available: "  # the run's first line names the device
    r"|`Trainer\.fit` stopped: `max_(epochs|steps)="  # the limit that was asked for
    r"|(\[rank: \d+\] )?Seed set to "  # the first line names the seed
    r"|Using bfloat16 Automatic Mixed Precision"  # and the precision
    r"|💡 Tip: "
    r"|Loading `train_dataloader` to estimate number of stepping batches"  # for a schedule over the whole training
    r"|Restor(ing states from the checkpoint path|ed all states from the checkpoint) at "
    r"|Loaded model weights from the checkpoint at "
    r"|`weights_only` was not set"
    r"|Initializing distributed: |-{10,}\ndistributed_backend="
)
_SAID_BY = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.fabric.utilities.rank_zero",
    "lightning.fabric.utilities.seed",
    "lightning.fabric.utilities.distributed",
    "lightning.pytorch.trainer.connectors.checkpoint_connector",
)


def quiet() -> None:
    """Silence what Lightning says on every run and what does not apply here."""
    for name in _SAID_BY:
        logging.getLogger(name).addFilter(_worth_saying)  # adding it twice changes nothing
    for message in (
        r"(?s).*does not have many workers.*",  # a batch is one index operation: workers would only copy it
        r"(?s).*Checkpoint directory .* exists and is not empty.*",  # a run's folder holds two checkpoints
        r"Total length of `list` across ranks is zero.*",  # no validation: the run's second line says so
        r"(?s).*The number of training batches .* is smaller than the logging interval.*",
        r"(?s).*The dirpath has changed from .*",  # resumed under another root, the search for the best starts again
        r"(?s).*callbacks used to create the checkpoint need to be provided.*",  # test and predict train nothing
        r"(?s).*You are using a custom batch sampler `SequentialOrder`.*",  # it gives every index once
        r"(?s).*`isinstance\(treespec, LeafSpec\)` is deprecated.*",  # Lightning's own, on recent PyTorch
    ):
        warnings.filterwarnings("ignore", message=message)


def _worth_saying(record: logging.LogRecord) -> bool:
    return _HABITUAL.match(record.getMessage()) is None


def one_line_warnings() -> None:
    """Show a warning as one line, without the source line that raised it, or a traceback within."""

    def line(message: Warning | str, *_: Any, **__: Any) -> str:
        said = str(message)
        if not os.environ.get("CIFAR_MLP_DEBUG"):
            said = said.partition(" Traceback of forward call")[0]  # PyTorch's, under detect_anomaly
        return f"cifar-mlp: warning: {said}\n"

    warnings.formatwarning = line


class QuietProcess(Callback):
    """Says no more in a process that Lightning spawns than in the one that was started."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Each process comes here before it says anything."""
        quiet()
        one_line_warnings()
