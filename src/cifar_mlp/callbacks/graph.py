"""The network as TensorBoard's graph."""

import warnings
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import nn

from cifar_mlp.callbacks.board import board
from cifar_mlp.callbacks.modes import evaluating
from cifar_mlp.callbacks.view import harmless


class Graph(Callback):
    """Writes the graph of the module's ``network`` when training starts.

    A module without one is traced itself, if it names an ``example_input_array``.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Trace and write."""
        here = board(trainer, pl_module)
        network = getattr(pl_module, "network", None)
        first = next((part for part in pl_module.modules() if isinstance(part, nn.Linear)), None)
        if network is not None and first is not None:
            example = torch.zeros(1, first.in_features, dtype=first.weight.dtype, device=first.weight.device)
        else:
            network, example = pl_module, pl_module.example_input_array
        if here is None or example is None:
            return
        with harmless(self), evaluating(pl_module), warnings.catch_warnings():
            # TensorBoard knows no other tracer yet.
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace(_method)?` is (deprecated|not supported)")
            here.writer.add_graph(network, example)
