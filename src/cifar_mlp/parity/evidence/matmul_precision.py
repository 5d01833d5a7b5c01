"""Full float32 matmuls, TF32 on request, and simulated TF32 where there is no GPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

TF32_DROPPED_BITS = 13  # TF32 keeps 10 of float32's 23


@contextmanager
def full_precision() -> Iterator[None]:
    """No TF32 and no reduced bfloat16 sums on CUDA; restores the previous settings."""
    precision = torch.get_float32_matmul_precision()
    reduced = torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = reduced


@contextmanager
def tf32(device: str) -> Iterator[None]:
    """TF32 matmuls, native on CUDA, simulated elsewhere; restores the previous setting."""
    if device != "cuda":
        with SimulatedTF32():
            yield
        return
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)


def round_to_tf32(x: Tensor) -> Tensor:
    """Round finite float32 numbers to TF32's 10 mantissa bits; other dtypes pass unchanged."""
    if x.dtype != torch.float32:
        return x
    half = 1 << (TF32_DROPPED_BITS - 1)
    bits = x.contiguous().view(torch.int32) + half
    return (bits & -(1 << TF32_DROPPED_BITS)).view(torch.float32)


FACTORS = {torch.ops.aten.mm.default: (0, 1), torch.ops.aten.addmm.default: (1, 2)}
"""Positions of a matmul's factors among its arguments."""


class SimulatedTF32(TorchDispatchMode):
    """Rounds the factors of every float32 matmul to TF32; sums stay float32."""

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Round the factors if ``function`` is a matmul, then run it."""
        factors = FACTORS.get(function, ())  # type: ignore[call-overload]
        args = tuple(round_to_tf32(arg) if index in factors else arg for index, arg in enumerate(args))
        return function(*args, **(kwargs or {}))
