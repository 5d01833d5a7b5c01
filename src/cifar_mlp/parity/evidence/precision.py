"""Full float32 products, TF32 on request, and TF32 imitated where there is no GPU to do it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

TF32_DROPPED_BITS = 13  # TF32 keeps 10 of float32's 23


@contextmanager
def full_precision() -> Iterator[None]:
    """No TF32, no reduced bfloat16 sums on CUDA; what was found is put back."""
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
    """TF32 products: the hardware's on CUDA, imitated elsewhere; what was found is put back."""
    if device != "cuda":
        with ImitatedTF32():
            yield
        return
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)


def round_to_tf32(x: Tensor) -> Tensor:
    """Round finite float32 numbers to TF32's 10 mantissa bits; any other dtype passes unchanged."""
    if x.dtype != torch.float32:
        return x
    half = 1 << (TF32_DROPPED_BITS - 1)
    bits = x.contiguous().view(torch.int32) + half
    return (bits & -(1 << TF32_DROPPED_BITS)).view(torch.float32)


FACTORS = {torch.ops.aten.mm.default: (0, 1), torch.ops.aten.addmm.default: (1, 2)}
"""Which arguments of a matrix product are its factors."""


class ImitatedTF32(TorchDispatchMode):
    """Inside, the factors of every float32 matrix product are rounded to TF32 first; sums stay float32."""

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Round the factors where ``function`` is a product, then run it."""
        factors = FACTORS.get(function, ())  # type: ignore[call-overload]
        args = tuple(round_to_tf32(arg) if place in factors else arg for place, arg in enumerate(args))
        return function(*args, **(kwargs or {}))
