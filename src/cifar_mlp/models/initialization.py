"""Initial weights of an MLP's affine maps."""

from typing import Literal, get_args

import torch
from torch import nn

Initialization = Literal["default", "kaiming", "normal"]


def initialize(network: nn.Module, scheme: Initialization, std: float) -> None:
    """Draw new weights for every ``nn.Linear`` in ``network``, in place.

    Args:
        network: Any module; only its affine maps change.
        scheme: ``default`` leaves PyTorch's own draw, uniform in +-1/sqrt(fan_in), biases too. ``kaiming`` is
            normal with variance 2 / fan_in (He et al. 2015, eq. 10) and zero biases. ``normal`` is the report's:
            normal with standard deviation ``std`` and zero biases.
        std: Standard deviation of the weights under ``normal``.

    Raises:
        ValueError: For an unknown scheme or a std that is not positive.
    """
    if scheme not in get_args(Initialization):
        raise ValueError(f"initialization must be one of {', '.join(get_args(Initialization))}, not {scheme!r}")
    if not std > 0:
        raise ValueError(f"init_std must be positive, not {std}")
    if scheme == "default":
        return
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0.0, std if scheme == "normal" else (2.0 / module.in_features) ** 0.5)
                module.bias.zero_()
