"""Ends the process when the first training step is done; start-up is timed by it."""

import os
import sys
from typing import Any

from lightning.pytorch import Callback


class StopAtFirstStep(Callback):
    """Leaves at once, without Python's or Lightning's farewell."""

    def on_train_batch_end(self, *_: Any) -> None:
        """The step is done."""
        sys.stdout.flush()
        os._exit(0)
