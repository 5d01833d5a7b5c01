"""Large matrices of a checkpoint as int8, each row with a scale of its own: a quarter of the bytes."""

from typing import Any

import torch
from torch import Tensor

LARGEST = 127
SCALES = "int8_scales"
"""Where a checkpoint keeps the scales, by the name of the tensor."""


def quantize_matrices(checkpoint: dict[str, Any], larger_than: int) -> None:
    """Round the matrices of the ``state_dict`` to int8, in place; vectors stay as they are.

    A row's largest entry becomes 127 or -127, so no entry moves by more than half a 127th of it.

    Args:
        checkpoint: Not yet quantized.
        larger_than: Entries that a matrix must have more of.
    """
    state, scales = checkpoint["state_dict"], {}
    for name, value in state.items():
        if value.is_floating_point() and value.ndim == 2 and value.numel() > larger_than:
            state[name], scales[name] = quantized(value)
    checkpoint[SCALES] = scales


def quantized(matrix_OI: Tensor) -> tuple[Tensor, Tensor]:
    """The matrix as int8, and its rows' scales ``(O,)``; a row of zeros has the scale 1."""
    scale_O = matrix_OI.abs().amax(1).float() / LARGEST
    scale_O[scale_O == 0] = 1
    return (matrix_OI / scale_O[:, None]).round().to(torch.int8), scale_O


def restore_matrices(checkpoint: dict[str, Any]) -> None:
    """Turn quantized matrices back into float32, in place; any other checkpoint stays as it is."""
    for name, scale_O in checkpoint.pop(SCALES, {}).items():
        checkpoint["state_dict"][name] = checkpoint["state_dict"][name].float() * scale_O[:, None]
