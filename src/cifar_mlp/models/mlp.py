"""The multi-layer perceptron: features in, logits out. It knows nothing of data, loss or training."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from cifar_mlp.models.initialization import Initialization, initialize

# Shape legend: B = batch, D = input features, H = hidden units of a layer, C = classes

Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh"]
Normalization = Literal["none", "batch", "layer"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,  # slope 0.01 below zero
    "gelu": nn.GELU,  # the exact one, x * Phi(x)
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
NORMALIZATIONS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class ResidualBlock(nn.Sequential):
    """A hidden layer and its exit, of which the sum with the input is the output (He et al. 2016)."""

    def forward(self, x_BH: Tensor) -> Tensor:
        """Shape ``(B, H)`` stays."""
        inside: Tensor = super().forward(x_BH)
        return x_BH + inside


class MLP(nn.Module):
    """A fully connected network.

    A layer is one affine map, so ``hidden_sizes=[550, 128, 100]`` is a 4-layer network and ``[]`` is linear
    softmax regression. A hidden layer is affine map, normalization, activation, dropout, in that order; the
    output layer is the affine map alone. A residual block adds to its input what a hidden layer ``expansion`` times as
    wide and a second affine map, the exit, make of it; the exit starts at zero, so a block starts as the identity.

    Args:
        in_features: Inputs per image, D.
        num_classes: Outputs per image, C.
        hidden_sizes: Units of each hidden layer, from input to output; may be empty.
        activation: Non-linearity of the hidden layers.
        dropout: Probability of dropping a hidden unit while training, in [0, 1).
        normalization: What normalizes a hidden layer's affine output before its activation.
        initialization: How the affine maps start, see :func:`initialize`.
        init_std: Standard deviation of the weights where ``initialization`` is ``normal``.
        residual_blocks: Blocks between the hidden layers and the output layer, as wide as the last hidden layer.
        expansion: Width of a block's inside over that of its ends.

    Raises:
        ValueError: For a size below 1, an unknown name, a dropout outside [0, 1), or blocks without a hidden layer.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        hidden_sizes: Sequence[int] = (550, 128, 100),
        activation: Activation = "relu",
        dropout: float = 0.0,
        normalization: Normalization = "none",
        initialization: Initialization = "default",
        init_std: float = 1e-4,
        residual_blocks: int = 0,
        expansion: int = 4,
    ) -> None:
        super().__init__()
        if in_features < 1 or num_classes < 1:
            raise ValueError(f"in_features and num_classes must be at least 1, not {in_features} and {num_classes}")
        if not isinstance(hidden_sizes, Iterable):
            raise ValueError(f"hidden_sizes must be a list, such as [{hidden_sizes}], not {hidden_sizes!r}")
        if any(size < 1 for size in hidden_sizes):
            raise ValueError(f"hidden_sizes must be at least 1 each, not {list(hidden_sizes)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")
        if normalization not in get_args(Normalization):
            raise ValueError(
                f"normalization must be one of {', '.join(get_args(Normalization))}, not {normalization!r}"
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), not {dropout}")
        if residual_blocks < 0 or expansion < 1:
            raise ValueError(
                f"residual_blocks must be at least 0 and expansion 1, not {residual_blocks} and {expansion}"
            )
        if residual_blocks and not hidden_sizes:
            raise ValueError("residual_blocks needs hidden_sizes: the last of them is the width of a block")

        def hidden_layer(inputs: int, outputs: int, exit: nn.Linear | None = None) -> nn.Sequential:
            parts: OrderedDict[str, nn.Module] = OrderedDict(affine=nn.Linear(inputs, outputs))
            if normalization != "none":
                parts["normalization"] = NORMALIZATIONS[normalization](outputs)
            parts["activation"] = ACTIVATIONS[activation]()
            if dropout > 0.0:
                parts["dropout"] = nn.Dropout(dropout)
            return nn.Sequential(parts) if exit is None else ResidualBlock(parts | {"exit": exit})

        self.hidden_sizes = list(hidden_sizes)
        widths = [in_features, *hidden_sizes]
        self.hidden = nn.ModuleList(hidden_layer(inputs, outputs) for inputs, outputs in pairwise(widths))
        width, inside = widths[-1], expansion * widths[-1]
        self.hidden.extend(hidden_layer(width, inside, nn.Linear(inside, width)) for _ in range(residual_blocks))
        self.output = nn.Linear(width, num_classes)
        initialize(self, initialization, init_std)
        for name, parameter in self.named_parameters():
            if ".exit." in name:
                nn.init.zeros_(parameter)

    def forward(self, x_BD: Tensor) -> Tensor:
        """Map features ``(B, D)`` to logits ``(B, C)``."""
        x_BH = x_BD
        for layer in self.hidden:
            x_BH = layer(x_BH)
        logits_BC: torch.Tensor = self.output(x_BH)
        return logits_BC

    @property
    def first(self) -> nn.Linear:
        """The affine map that takes the features."""
        return next(module for module in self.modules() if isinstance(module, nn.Linear))

    def squared_weights(self) -> Tensor:
        """Sum of the squared weights of all affine maps, ``()``; biases do not count."""
        affine = [module for module in self.modules() if isinstance(module, nn.Linear)]
        return torch.stack([module.weight.square().sum() for module in affine]).sum()
