"""The network's architecture: TensorBoard's graph, and a table on the terminal."""

import contextlib
import warnings
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table
from torch import nn

from cifar_mlp.callbacks.board import Board
from cifar_mlp.callbacks.probe import evaluating, validation_batch
from cifar_mlp.callbacks.view import BoardCallback
from cifar_mlp.models import Classifier


class Graph(BoardCallback):
    """Writes the network's graph when training starts.

    Traces the module on its ``example_input_array``, else on the first validation input.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Trace and write."""
        self.attempt(self._trace, trainer, pl_module)

    def _trace(self, trainer: Any, pl_module: Any, board: Board) -> None:
        network, example, writer = pl_module, pl_module.example_input_array, board.writer
        if isinstance(pl_module, Classifier):
            network = pl_module.network
            first = next(part for part in network.modules() if isinstance(part, nn.Linear))
            example = torch.zeros(1, first.in_features, dtype=first.weight.dtype)
        elif example is None:
            example = validation_batch(trainer, pl_module, most=1)[0]
        example = move_data_to_device(example, pl_module.device)
        with evaluating(pl_module), warnings.catch_warnings(), contextlib.redirect_stdout(None):
            # TensorBoard has no other tracer yet, and prints what it raises.
            warnings.simplefilter("ignore")
            writer.add_graph(network, example)


class NetworkSummary(Callback):
    """Prints the network's layers with their parameters and floating-point operations when training starts.

    Operations are those of the affine maps' forward pass on one image, a multiplication and an addition each. A
    training step takes about three times as many.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table."""
        if not trainer.is_global_zero:
            return
        network = getattr(pl_module, "network", pl_module)
        table = Table("layer", "kind", "inputs", "outputs", "parameters", "FLOP per image", title="network")
        for column in table.columns[2:]:
            column.justify = "right"
        operations = 0
        for name, module in network.named_modules():
            count = sum(parameter.numel() for parameter in module.parameters(recurse=False))
            if isinstance(module, nn.Linear):
                flop = 2 * module.in_features * module.out_features
                operations += flop
                sizes = (f"{module.in_features:,}", f"{module.out_features:,}", f"{count:,}", f"{flop:,}")
                table.add_row(name, "affine", *sizes)
            elif not list(module.children()):
                table.add_row(name, type(module).__name__, "", "", f"{count:,}" if count else "", "")
        total = sum(parameter.numel() for parameter in network.parameters())
        table.add_section()
        table.add_row("all", "", "", "", f"{total:,}", f"{operations:,}")
        Console(width=None if Console().is_terminal else 100).print(table)
