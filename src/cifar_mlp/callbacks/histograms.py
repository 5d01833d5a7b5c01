"""Histograms of parameters, gradients and activations, layer by layer."""

import sys
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.callbacks.board import WITHIN, Board, LeftOut, NotDrawn
from cifar_mlp.callbacks.probe import dead_share, hidden_activations, validation_batch
from cifar_mlp.callbacks.view import View

NUM_BINS = 64
NUM_INPUTS = 1_000  # for activations


class Distributions(View):
    """Writes before training, every ``every_n_epochs`` epochs, and after epochs 1, 2, 4, 8 and so on."""

    at_start = True

    def due(self, epoch: int) -> bool:
        """Whether to write after an epoch, counted from 1."""
        return super().due(epoch) or (self.every_n_epochs is not None and epoch & (epoch - 1) == 0)


class Histograms(Distributions):
    """Writes ``within/weights/PARAMETER`` and ``within/gradients/PARAMETER``, the gradient of the epoch's last batch.

    If training stops before its last epoch, as by early stopping, the final point has weights only.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write every parameter."""
        if not list(pl_module.parameters()):
            raise NotDrawn("the module has no parameters")
        for name, parameter in pl_module.named_parameters():
            add_histogram(board, f"{WITHIN}/weights/{layer_name(name)}", parameter)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Write every gradient after the last step of an epoch that is shown; validation will clear them."""
        epoch = trainer.current_epoch + 1
        ends = trainer.is_last_batch and (epoch == trainer.max_epochs or self.due(epoch))
        if ends or trainer.global_step == trainer.max_steps:
            self.attempt(self._write_gradients, trainer, pl_module)

    def steps_alone(self, trainer: Any) -> int:
        """All: it looks at an epoch's and a training's last step, which are never alone."""
        return sys.maxsize

    def _write_gradients(self, trainer: Any, pl_module: Any, board: Board) -> None:
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is not None:
                add_histogram(board, f"{WITHIN}/gradients/{layer_name(name)}", parameter.grad)


class Activations(Distributions):
    """Writes ``within/activations/LAYER`` and ``within/dead_units/LAYER`` over the first 1,000 validation images.

    A dead unit outputs zero for every image. Only ReLU units can be dead.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write a histogram and a share for every layer."""
        inputs = validation_batch(trainer, pl_module, NUM_INPUTS)[0].to(pl_module.device)
        found = hidden_activations(pl_module, inputs)
        if not found:
            raise LeftOut("the module has no activation functions that are modules, such as nn.ReLU")
        for name, values in found.items():
            board.scalar(f"{WITHIN}/dead_units/{name}", dead_share(values))
            add_histogram(board, f"{WITHIN}/activations/{name}", values)


def add_histogram(board: Board, tag: str, values: Tensor) -> None:
    """Count values in bins of equal width and write the counts; leaves out what is not finite.

    TensorBoard's own method sorts all values into some 1,500 bins, which takes a hundred times as long.
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
    """A parameter's name without the prefix that all names share."""
    return name.removeprefix("network.")
