"""Compare every tensor, on every device, in every dtype, with one reference: autograd in float64 on the CPU.

NumPy and central differences confirm the reference; the public functions of :mod:`cifar_mlp.parity.two_layer` and
:mod:`cifar_mlp.parity.n_layer` are judged by it everywhere, float64 on the CPU included.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import torch

from cifar_mlp.parity.evidence import differences
from cifar_mlp.parity.evidence.cases import DEFAULT_SIZES, Case, standard_cases
from cifar_mlp.parity.evidence.deep import deep_cases, deep_rows
from cifar_mlp.parity.evidence.matmul_precision import full_precision
from cifar_mlp.parity.evidence.reference import Reference, hand_rows, numpy_rows, tf32_rows
from cifar_mlp.parity.evidence.rows import Origin, Row
from cifar_mlp.parity.evidence.runs import repeat_rows, training_rows
from cifar_mlp.parity.evidence.self_test import self_test_rows

DEVICES = ("cpu", "cuda", "mps")
DTYPES = {name: getattr(torch, name) for name in ("float64", "float32", "bfloat16", "float16")}
FLOAT16_CPU_LIMIT = 10**8
"""Multiply-adds above which a float16 matmul on a CPU can take ten seconds."""
BROKEN = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What a wrong calculation may raise; it then fails by name instead of ending the comparison."""


class NotRun(NamedTuple):
    """Something that was not compared, and why; never counted as passed."""

    what: str
    reason: str


@dataclass
class Evidence:
    """Everything a comparison found."""

    rows: list[Row] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        """One line for every failed row, naming the tensor or the missed fault."""
        return [str(row) for row in self.rows if row.verdict == "FAIL"]


def missing(device: str) -> str:
    """Why a device cannot be used on this machine, or ``""``."""
    if device == "cuda" and not torch.cuda.is_available():
        return "no NVIDIA GPU on this machine"
    if device == "mps" and not torch.backends.mps.is_available():
        return "no Apple GPU on this machine"
    return ""


def compare(
    devices: Sequence[str] = DEVICES,
    dtypes: Sequence[str] = tuple(DTYPES),
    sizes: Sequence[str] = DEFAULT_SIZES,
    seed: int = 0,
    *,
    show_tf32: bool = False,
    training_steps: int = 100,
    self_test: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Evidence:
    """Compare all cases on all devices in all dtypes.

    Args:
        devices: Of ``cpu``, ``cuda``, ``mps``; an absent one is listed as not run.
        dtypes: Of ``float64``, ``float32``, ``bfloat16``, ``float16``.
        sizes: ``toy``, ``D-H-C`` or ``D-H-C:N``; the special cases are always added.
        seed: Of everything drawn.
        show_tf32: Add the error of TF32, without a verdict; simulated off the GPU.
        training_steps: Of the training comparison; 0 omits it.
        self_test: Plant every fault and require that it is caught.
        progress: Called with a few words before each step.

    Raises:
        ValueError: For an unknown device, dtype or size, naming the option.
    """
    for option, known, given in (("devices", DEVICES, devices), ("dtypes", tuple(DTYPES), dtypes)):
        for name in given:
            if name not in known:
                raise ValueError(f"--{option}: {name!r} is not one of {', '.join(known)}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"--seed: {seed} is not in 0 to 2^63 - 1")
    cases = standard_cases(tuple(sizes), seed)
    evidence = Evidence(not_run=[NotRun(device, missing(device)) for device in devices if missing(device)])
    present = [device for device in devices if not missing(device)]
    kinds = [DTYPES[name] for name in dtypes]
    with full_precision():
        for case in cases:
            progress(f"{case.name}: reference, NumPy, central differences")
            reference = Reference(case)
            with _collecting(evidence, Origin(case.name, "NumPy and differences", "cpu", torch.float64)):
                evidence.rows += numpy_rows(reference)
                evidence.rows += differences.rows(case, reference.expected, seed) if case.smooth else ()
            for device, dtype in ((device, dtype) for device in present for dtype in kinds):
                _judge_hand(reference, device, dtype, evidence, show_tf32, progress)
        for device in present:
            progress(f"{device}: deep networks")
            for deep, dtype in product(deep_cases(seed), _offered(device, kinds)):
                with _collecting(evidence, Origin(deep.name, "hand: n_layer", device, dtype)):
                    evidence.rows += deep_rows(deep, device, dtype)
            progress(f"{device}: same step twice, {training_steps} training steps")
            with _collecting(evidence, Origin("repeat", "hand: same step twice", device, torch.float64)):
                evidence.rows += repeat_rows(device, kinds)
            with _collecting(evidence, Origin("training", "hand: train", device, torch.float64)):
                evidence.rows += training_rows(device, training_steps, seed) if training_steps else ()
            if self_test:
                progress(f"{device}: planting faults")
                evidence.rows += self_test_rows(device, _offered(device, kinds), seed)
    return evidence


def _judge_hand(
    reference: Reference,
    device: str,
    dtype: torch.dtype,
    evidence: Evidence,
    show_tf32: bool,
    progress: Callable[[str], None],
) -> None:
    origin = Origin(reference.case.name, "hand", device, dtype)
    progress(str(origin))
    if reason := _out_of_reach(reference.case, device, dtype):
        evidence.not_run.append(NotRun(str(origin), reason))
        return
    with _collecting(evidence, origin):
        evidence.rows += hand_rows(reference, device, dtype)
        evidence.rows += tf32_rows(reference, device) if show_tf32 and dtype == torch.float32 else ()


def _offered(device: str, dtypes: Sequence[torch.dtype]) -> list[torch.dtype]:
    return [dtype for dtype in dtypes if (device, dtype) != ("mps", torch.float64)]


def _out_of_reach(case: Case, device: str, dtype: torch.dtype) -> str:
    if not _offered(device, [dtype]):
        return "the device has no float64"
    if device == "cpu" and dtype == torch.float16 and case.multiply_adds > FLOAT16_CPU_LIMIT:
        return "a float16 matmul of this size takes seconds to minutes on a CPU"
    return ""


@contextmanager
def _collecting(evidence: Evidence, origin: Origin) -> Iterator[None]:
    """Make an exception a failed row, or "not run" where PyTorch lacks an operation."""
    try:
        yield
    except BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        if "implemented for" in reason:
            evidence.not_run.append(NotRun(str(origin), reason))
        else:
            evidence.rows.append(origin.failed("every tensor", f"{type(error).__name__}: {reason}"))
