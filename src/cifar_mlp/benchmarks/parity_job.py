"""``benchmark.py parity``: speed and memory of the hand-derived gradients, autograd and NumPy."""

import argparse
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.benchmarks.epochs import seconds_a_call
from cifar_mlp.benchmarks.problem_options import add_rounds_and_device
from cifar_mlp.benchmarks.rounds import interleaved, show_progress
from cifar_mlp.common.provenance import precision_readings
from cifar_mlp.common.spread import ratios, spread
from cifar_mlp.parity import numpy_reference, two_layer
from cifar_mlp.parity.evidence.autograd import loss_of
from cifar_mlp.parity.evidence.cases import DEFAULT_BATCH, Case, drawn, parse_size
from cifar_mlp.parity.evidence.matmul_precision import full_precision
from cifar_mlp.parity.evidence.rows import normwise_error
from cifar_mlp.parity.two_layer import Gradients, Parameters

Candidate = Callable[[], tuple[Tensor, Gradients]]
BASELINE, HAND, NUMPY, COMPILED = "autograd, eager", "hand-derived", "NumPy", "autograd, torch.compile"
DEFAULT_SIZES = ("510-600-10:200", "3072-2048-10:200")
TOLERANCE = 1e-5
"""Normwise, float32; candidates further apart do different work."""
SECONDS_A_ROUND = 0.04
"""Per candidate; calls are repeated to fill it, so that the cost of reading the clock is negligible."""


def add_options(job: argparse.ArgumentParser) -> None:
    """Add the job's options."""
    add_rounds_and_device(job, rounds=20)
    job.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, metavar="D-H-C[:N]",
                     help=f"inputs, hidden units and classes of a two-layer network, and images in a batch "
                     f"(default {' '.join(DEFAULT_SIZES)}; N {DEFAULT_BATCH})")  # fmt: skip
    job.add_argument("--no-compile", action="store_true", help="leave torch.compile out")


def measure(options: argparse.Namespace, scratch: Path) -> Generator[dict[str, Any], None, None]:
    """The document after each round of all candidates at all sizes.

    Raises:
        ValueError: For an invalid size.
        RuntimeError: If the candidates disagree.
    """
    shapes = {size: parse_size(size) for size in options.sizes}
    candidates: dict[tuple[str, str], Candidate] = {}
    not_run = []
    with full_precision():
        for size, shape in shapes.items():
            case = drawn(size, *shape, seed=0).to(options.device, torch.float32)
            found = dict(candidates_of(case))
            if not options.no_compile:
                show_progress(f"{size}: compiling")
                try:
                    found[COMPILED] = compiled(case)
                except Exception as error:  # without a working compiler the other candidates still run
                    not_run.append(f"{size}: torch.compile not run ({type(error).__name__})")
            check_agreement(found)
            candidates |= {(size, name): candidate for name, candidate in found.items()}
        timed = {key: timing_of(candidate, options.device) for key, candidate in candidates.items()}
        allocated = {key: None if NUMPY in key else allocated_bytes(call) for key, call in candidates.items()}
        for seconds in interleaved(timed, options.rounds):
            yield {
                "baseline": BASELINE,
                "rounds": len(next(iter(seconds.values()))),
                "environment": {"fp32_precision": precision_readings()},
                "timings": [{"device": options.device, **row(key, seconds, allocated[key])} for key in seconds],
                "not_run": not_run,
            }


def row(key: tuple[str, str], seconds: Mapping[tuple[str, str], list[float]], allocated: int | None) -> dict[str, Any]:
    """One candidate at one size; its speed is the baseline's time over its own, so above 1 is faster."""
    size, name = key
    speed = ratios(seconds[size, BASELINE], seconds[key])
    return {
        "size": size,
        "candidate": name,
        "milliseconds": 1000 * spread(seconds[key]).median,
        "speed": speed.median,
        "speed_quartiles": speed.quartiles,
        "allocated_bytes": allocated,
    }


def check_agreement(candidates: Mapping[str, Candidate]) -> None:
    """Raise ``RuntimeError`` unless all candidates give the baseline's loss and gradients."""
    loss, gradients = candidates[BASELINE]()
    for name, candidate in candidates.items():
        found_loss, found = candidate()
        pairs = zip(("loss", *Gradients._fields), (found_loss, *found), (loss, *gradients), strict=True)
        for tensor, got, expected in pairs:
            if not (error := normwise_error(got, expected)) <= TOLERANCE:
                raise RuntimeError(f"{name} and {BASELINE} differ on {tensor}: {error:.1e} normwise")


def candidates_of(case: Case) -> Iterator[tuple[str, Candidate]]:
    """The ways to compute a case's loss and gradients that need no compiler."""
    yield BASELINE, autograd(case, loss_of)
    yield HAND, lambda: two_layer.loss_and_gradients(*case.problem)
    if case.inputs.device.type != "cpu":
        return
    w1, b1, w2, b2, inputs, labels = (tensor.numpy() for tensor in (*case.parameters, case.inputs, case.labels))

    def in_numpy() -> tuple[Tensor, Gradients]:
        found = numpy_reference.intermediates(w1, b1, w2, b2, inputs, labels, case.regularization)
        gradients = (torch.from_numpy(array) for array in (found.w1, found.b1, found.w2, found.b2))
        return torch.from_numpy(found.loss), Gradients(*gradients)

    yield NUMPY, in_numpy


def compiled(case: Case) -> Candidate:
    """Autograd of the compiled loss, which is compiled at its first call, here."""
    candidate = autograd(case, torch.compile(loss_of))
    candidate()
    return candidate


def autograd(case: Case, loss_of: Callable[..., Tensor]) -> Candidate:
    """The loss and PyTorch's gradients."""
    leaves = Parameters(*(parameter.clone().requires_grad_() for parameter in case.parameters))

    def loss_and_gradients() -> tuple[Tensor, Gradients]:
        loss = loss_of(leaves, case.inputs, case.labels, case.regularization)
        return loss.detach(), Gradients(*torch.autograd.grad(loss, leaves))

    return loss_and_gradients


def timing_of(candidate: Candidate, device: str) -> Callable[[], float]:
    """What measures the seconds of a call, from as many calls as fill a candidate's part of a round."""
    calls = max(1, int(SECONDS_A_ROUND / seconds_a_call(candidate, 2, device)))
    return partial(seconds_a_call, candidate, calls, device)


def allocated_bytes(candidate: Candidate) -> int:
    """The sum of what PyTorch's operations allocate in one call, on the CPU and the GPU."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it prints about missing GPUs
    with torch.profiler.profile(profile_memory=True) as profile:
        candidate()
    return sum(max(0, event.self_cpu_memory_usage, event.self_device_memory_usage) for event in profile.events())
