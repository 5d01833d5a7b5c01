"""Which of PyTorch's libraries multiplies matrices, measured once for each shape on each machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from cifar_mlp.models.hand_derived.machine_choices import MachineChoices

Matmuls = Literal["auto", "pytorch", "onednn"]
PYTORCH, ONEDNN = get_args(Matmuls)[1:]
WORTHWHILE = 2**14  # weights; below, starting a matmul takes longer than computing it
GAIN = 1.05  # PyTorch's own stays unless the other is clearly faster
REPEATS, SECONDS = 9, 0.02  # of one way; time stops it, once it was tried three times
TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 1e-2}  # normwise, against float64

Ways = tuple[Callable[[], Tensor], Callable[[], Tensor]]


def onednn(
    a_BI: Tensor, b_OI: Tensor, c_O: Tensor | None = None, activation: str = "none", numbers: list[float] | None = None
) -> Tensor:
    """``activation(a b^T + c)`` by oneDNN, on the CPU; transposed views are read where they are."""
    operation: Any = torch.ops.mkldnn._linear_pointwise
    found: Tensor = operation(a_BI, b_OI, c_O, activation, numbers or [], "")
    return found


class MatmulChoice:
    """Decides, and remembers what it decided.

    Args:
        forced: ``auto`` measures.
        decided: Decisions of before, by the names below; a resumed training keeps those of its beginning.
        kept: Those that this machine has made before; ``None`` measures again.
    """

    def __init__(
        self, forced: Matmuls = "auto", decided: dict[str, str] | None = None, kept: MachineChoices | None = None
    ) -> None:
        self.forced, self.decided, self._kept = forced, dict(decided or {}), kept

    def describe(self) -> str:
        """How many of the matmuls go where, and why."""
        count = sum(way == ONEDNN for way in self.decided.values())
        how = "the faster ones here" if self.forced == "auto" else f"--model.matmuls {self.forced}"
        return f"{count} of {len(self.decided)} matmuls by oneDNN ({how})" if self.decided else "matmuls by PyTorch"

    def forward(
        self, n: int, o: int, i: int, dtype: torch.dtype, device: torch.device, fused: tuple[str, list[float]] | None
    ) -> str:
        """For ``x (N, I) w^T + b``, with an activation that may end it."""

        def ways() -> Ways:
            x, w, b = _draw(dtype, (n, i), (o, i), (o,))
            y = torch.empty(n, o, dtype=dtype)

            def pytorch() -> Tensor:
                torch.addmm(b, x, w.T, out=y)
                return y if fused in (None, ("none", [])) else torch.clamp(y, min=0, out=y)

            activation = "none" if fused in (None, ("none", [])) else "relu"
            return pytorch, lambda: onednn(x, w, b, activation)

        return self._decide("forward", n, o, i, dtype, device, ways)

    def backward_input(self, n: int, o: int, i: int, dtype: torch.dtype, device: torch.device) -> str:
        """For ``dz (N, O) w``."""

        def ways() -> Ways:
            dz, w = _draw(dtype, (n, o), (o, i))
            dx = torch.empty(n, i, dtype=dtype)
            return lambda: torch.mm(dz, w, out=dx), lambda: onednn(dz, w.T)

        return self._decide("input", n, o, i, dtype, device, ways)

    def backward_weight(self, n: int, o: int, i: int, dtype: torch.dtype, device: torch.device) -> str:
        """For ``dz^T x (N, I)``, whose result goes into the buffer of all gradients."""

        def ways() -> Ways:
            dz, x = _draw(dtype, (n, o), (n, i))
            dw = torch.empty(o, i, dtype=dtype)
            return lambda: torch.mm(dz.T, x, out=dw), lambda: dw.copy_(onednn(dz.T, x.T))

        return self._decide("weight", n, o, i, dtype, device, ways)

    def _decide(
        self, kind: str, n: int, o: int, i: int, dtype: torch.dtype, device: torch.device, ways: Callable[[], Ways]
    ) -> str:
        if device.type != "cpu" or dtype not in TOLERANCE or o * i < WORTHWHILE:
            return PYTORCH
        name = f"{kind} {o} x {i} {str(dtype).removeprefix('torch.')}"  # not n: an epoch's last batch is shorter
        if name not in self.decided:
            if self.forced == "auto" and self._kept is not None:
                self.decided[name] = self._kept.get(name, lambda: _faster(dtype, *ways()))
            else:
                self.decided[name] = _faster(dtype, *ways(), self.forced)
        return self.decided[name]


def choices_in(folder: str) -> MachineChoices:
    """What this machine has chosen before, kept in a folder."""
    return MachineChoices(Path(folder).expanduser(), (PYTORCH, ONEDNN))


def _faster(
    dtype: torch.dtype, pytorch: Callable[[], Tensor], other: Callable[[], Tensor], forced: Matmuls = "auto"
) -> str:
    if forced == PYTORCH:
        return PYTORCH
    try:
        found = other().double()
    except (AttributeError, RuntimeError, NotImplementedError):  # not part of PyTorch's documented interface
        return PYTORCH
    exact = pytorch().double()
    if not (found - exact).norm() <= TOLERANCE[dtype] * exact.norm():
        return PYTORCH
    if forced == ONEDNN:
        return ONEDNN
    best = [float("inf"), float("inf")]
    spent = 0.0
    for repeat in range(REPEATS):
        for index, way in enumerate((pytorch, other)):
            seconds = _seconds(way)
            best[index], spent = min(best[index], seconds), spent + seconds
        if spent > 2 * SECONDS and repeat >= 2:
            break
    return ONEDNN if best[1] * GAIN < best[0] else PYTORCH


def _seconds(way: Callable[[], Tensor]) -> float:
    """Of the CPU where one thread computes, so that other processes do not count."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    started = clock()
    way()
    return clock() - started


def _draw(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
