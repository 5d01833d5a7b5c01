"""How large the network is, and what an image costs."""

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table
from torch import nn


class NetworkSummary(Callback):
    """Prints the network's layers with their parameters and floating-point operations when training starts.

    Operations count the affine maps' forward pass on one image, a multiplication and an addition each; training
    takes about three times as many.
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
