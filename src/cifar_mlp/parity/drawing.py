"""Numbers for a layer, drawn alike for every comparison and check."""

import torch
from torch import Tensor

# Shape legend: I, O = input and output features of a layer


def draw_layer(i: int, o: int, generator: torch.Generator) -> dict[str, Tensor]:
    """``weight (I, O)``, which keeps the scale of its input, ``bias``, ``gamma`` and ``beta (O,)``; none is 0 or 1."""
    return {
        "weight": few_bits(normal(generator, i, o) * (2 / i) ** 0.5),
        "bias": few_bits(normal(generator, o) * 0.3),
        "gamma": few_bits(1.1 + 0.3 * normal(generator, o)),
        "beta": few_bits(0.2 + 0.3 * normal(generator, o)),
    }


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """N(0, 1) in float64."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def few_bits(x: Tensor) -> Tensor:
    """Numbers rounded to eight significant bits, so that every dtype holds them exactly."""
    return x.to(torch.bfloat16).to(torch.float16).to(torch.float64)
