"""How the parameters and their gradients are spread, layer by layer."""

from typing import Any

import torch
from torch import Tensor

from cifar_mlp.callbacks.board import Board, board
from cifar_mlp.callbacks.view import View

NUM_BINS = 64


class Histograms(View):
    """Writes ``weights/PARAMETER`` and ``gradients/PARAMETER``; the gradient is that of the epoch's last batch.

    Where training ends before its last epoch, as by early stopping, the end has weights alone.

    Args:
        every_n_epochs: Epochs between two histograms; null writes them at the end alone.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write every parameter's values."""
        for name, parameter in pl_module.named_parameters():
            add_histogram(board, f"weights/{layer_name(name)}", parameter)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Write every gradient after the last step of an epoch that is shown; validation will clear them."""
        epoch = trainer.current_epoch + 1
        ends = trainer.is_last_batch and (
            epoch == trainer.max_epochs or epoch % (self.every_n_epochs or epoch + 1) == 0
        )
        here = board(trainer, pl_module) if ends or trainer.global_step == trainer.max_steps else None
        if here is None:
            return
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is not None:
                add_histogram(here, f"gradients/{layer_name(name)}", parameter.grad)


def add_histogram(board: Board, tag: str, values: Tensor) -> None:
    """Count values in bins of equal width and write the counts; what is not finite is left out.

    TensorBoard's own way sorts all values into some 1,500 bins, which takes a hundred times as long.
    """
    values = values.detach().float().flatten().cpu()  # on a GPU the counting would not be deterministic
    values = values[values.isfinite()]
    if values.numel() == 0:
        return
    low, high = (float(end) for end in values.aminmax())
    if low == high:
        low, high = low - max(abs(low), 1) * 1e-3, high + max(abs(high), 1) * 1e-3
    board.writer.add_histogram_raw(
        board.prefix + tag,
        min=low,
        max=high,
        num=values.numel(),
        sum=float(values.sum()),
        sum_squares=float(values.double().square().sum()),
        bucket_limits=torch.linspace(low, high, NUM_BINS + 1)[1:].tolist(),
        bucket_counts=torch.histc(values, NUM_BINS, low, high).tolist(),
        global_step=board.step,
    )


def layer_name(name: str) -> str:
    """A parameter's or part's name without what all names begin with."""
    return name.removeprefix("network.")
