"""What is tested from a checkpoint belongs to the step of training that it was saved at."""

from typing import Any

from lightning.pytorch import Callback


class CheckpointStep(Callback):
    """Logs the metrics and pictures of ``trainer.test(ckpt_path=...)`` at the checkpoint's step, not at 0."""

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Count on from the checkpoint; a fit does so without help."""
        if trainer.state.fn != "fit":
            count_from(trainer, checkpoint)


def count_from(trainer: Any, checkpoint: dict[str, Any]) -> None:
    """Set a trainer's counters of epochs and steps to a checkpoint's.

    What is logged then stands where the fit logged the validation before the checkpoint, whether that was saved
    before or after the fit's own count went on.
    """
    state = checkpoint["loops"]["fit_loop"]
    logged_at = {"_batches_that_stepped": max(checkpoint["global_step"] - 1, 0)}
    trainer.fit_loop.load_state_dict(
        {**state, "epoch_loop.state_dict": {**state["epoch_loop.state_dict"], **logged_at}}
    )
