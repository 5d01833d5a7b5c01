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
    """float32 matmuls in float32, and half-precision sums in float32; restores the previous settings.

    Uses PyTorch's newer switches, ``fp32_precision``. The older ones raise where somebody has used the newer.
    """
    with _matmuls("ieee"), _reduced_sums("bf16"), _reduced_sums("fp16"):
        yield


@contextmanager
def tf32(device: str) -> Iterator[str]:
    """TF32 matmuls, native on a CUDA device that shows them, else simulated; gives the word for what runs."""
    if device == "cuda" and has_tf32():
        with _matmuls("tf32"):
            yield "TF32"
    else:
        with SimulatedTF32():
            yield "TF32, simulated"


def has_tf32() -> bool:
    """Whether the CUDA device has TF32, by its capability and by a result that changes with it."""
    if torch.cuda.get_device_capability() < (8, 0):
        return False
    x = torch.rand(256, 256, generator=torch.Generator().manual_seed(0)).to("cuda")
    results = []
    for precision in ("ieee", "tf32"):
        with _matmuls(precision):
            results.append(x @ x)
    return not torch.equal(*results)


@contextmanager
def _matmuls(precision: str) -> Iterator[None]:
    """The precision of float32 matmuls on CUDA and in the CPU's library."""
    switches = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [switch.fp32_precision for switch in switches]
    inherited = torch.backends.fp32_precision  # type: ignore[attr-defined]
    try:
        for switch in switches:
            switch.fp32_precision = precision
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = "none" if value == inherited else value  # none: as the general switch says


@contextmanager
def _reduced_sums(kind: str) -> Iterator[None]:
    """No sums in half precision within CUDA matmuls of ``bf16`` or ``fp16``."""
    matmul, name = torch.backends.cuda.matmul, f"allow_{kind}_reduced_precision_reduction"
    before, split = getattr(matmul, name), getattr(matmul, f"{name}_split_k", True)
    try:
        setattr(matmul, name, False)
        yield
    finally:
        setattr(matmul, name, before if split else (before, split))


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
