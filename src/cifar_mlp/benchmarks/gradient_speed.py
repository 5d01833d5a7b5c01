"""Speed and memory of the hand-derived gradients against autograd; results must agree before anything is timed."""

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cifar_mlp.common.spread import ratios, spread
from cifar_mlp.parity import two_layer, witness
from cifar_mlp.parity.evidence.autograd import loss_of
from cifar_mlp.parity.evidence.cases import Case, drawn, parse_size
from cifar_mlp.parity.evidence.rows import normwise_error
from cifar_mlp.parity.two_layer import Gradients, Parameters

Candidate = Callable[[], tuple[Tensor, Gradients]]

BASELINE = "autograd, eager"
HAND = "hand-derived"
DEFAULT_SIZES = ("510-600-10:200", "3072-2048-10:200")
AGREEMENT = 1e-5
"""Normwise, float32; candidates further apart do different work."""
SECONDS_A_ROUND = 0.04
"""Per candidate; calls are repeated to fill it, so that the cost of reading the clock is negligible."""


@dataclass(frozen=True)
class Timing:
    """One candidate at one size."""

    size: str
    candidate: str
    device: str
    milliseconds: float  # of one loss with its gradients, median over the rounds
    speed: float  # the baseline's time over this candidate's, median over the rounds: above 1 is faster
    speed_quartiles: tuple[float, float]
    speed_range: tuple[float, float]
    allocated_bytes: int | None  # sum of all allocations in one call; None if they cannot be traced
    peak_bytes: int | None  # peak of one call, above what was held before


def benchmark(
    sizes: tuple[str, ...] = DEFAULT_SIZES,
    *,
    device: str = "cpu",
    rounds: int = 20,
    seed: int = 0,
    with_compile: bool = True,
    progress: Callable[[str], None] = lambda step: None,
) -> tuple[list[Timing], list[str]]:
    """Time every candidate in float32, interleaved within each round so that drift hits all of them alike.

    Returns:
        The timings, and one line for each candidate that could not run.

    Raises:
        ValueError: For an invalid size, or fewer than one round.
        RuntimeError: If the candidates disagree.
    """
    if rounds < 1:
        raise ValueError(f"--rounds must be at least 1, not {rounds}")
    dimensions = [parse_size(size) for size in sizes]
    timings, absent = [], []
    for size, shape in zip(sizes, dimensions, strict=True):
        progress(f"{size}: preparing")
        case = drawn(size, *shape, seed).to(device, torch.float32)
        candidates = dict(_candidates(case))
        if with_compile:
            progress(f"{size}: compiling")
            try:
                compiled = _autograd(case, torch.compile(loss_of))
                compiled()
                candidates["autograd, torch.compile"] = compiled
            except Exception as error:  # without a working compiler the other candidates still run
                absent.append(f"{size}: torch.compile not run ({type(error).__name__})")
        check_agreement(candidates)
        progress(f"{size}: {rounds} rounds")
        seconds = _time(candidates, rounds, device)
        timings += [_timing(size, name, device, seconds, candidates[name]) for name in candidates]
    return timings, absent


def check_agreement(candidates: Mapping[str, Candidate]) -> None:
    """Raise ``RuntimeError`` unless all candidates give the baseline's loss and gradients."""
    loss, gradients = candidates[BASELINE]()
    for name, candidate in candidates.items():
        found_loss, found = candidate()
        pairs = zip(("loss", *Gradients._fields), (found_loss, *found), (loss, *gradients), strict=True)
        for tensor, got, expected in pairs:
            if not (error := normwise_error(got, expected)) <= AGREEMENT:
                raise RuntimeError(f"{name} and {BASELINE} differ on {tensor}: {error:.1e} normwise")


def _candidates(case: Case) -> Iterator[tuple[str, Candidate]]:
    yield BASELINE, _autograd(case, loss_of)
    yield HAND, lambda: two_layer.loss_and_gradients(*case.problem)
    if case.inputs.device.type != "cpu":
        return
    w1, b1, w2, b2 = (parameter.numpy() for parameter in case.parameters)
    inputs, labels = case.inputs.numpy(), case.labels.numpy()

    def in_numpy() -> tuple[Tensor, Gradients]:
        found = witness.intermediates(w1, b1, w2, b2, inputs, labels, case.regularization)
        gradients = (torch.from_numpy(array) for array in (found.w1, found.b1, found.w2, found.b2))
        return torch.from_numpy(found.loss), Gradients(*gradients)

    yield "NumPy", in_numpy


def _autograd(case: Case, loss_of: Callable[..., Tensor]) -> Candidate:
    leaves = Parameters(*(parameter.clone().requires_grad_() for parameter in case.parameters))

    def loss_and_gradients() -> tuple[Tensor, Gradients]:
        loss = loss_of(leaves, case.inputs, case.labels, case.regularization)
        return loss.detach(), Gradients(*torch.autograd.grad(loss, leaves))

    return loss_and_gradients


def _time(candidates: Mapping[str, Candidate], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds per call, for every candidate and round; each round starts with a different candidate."""
    calls = {
        name: max(1, int(SECONDS_A_ROUND / _seconds(candidate, 2, device))) for name, candidate in candidates.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(rounds):
        for name in order:
            seconds[name].append(_seconds(candidates[name], calls[name], device))
        order.append(order.pop(0))
    return seconds


def _seconds(candidate: Candidate, calls: int, device: str) -> float:
    _finish(device)
    start = time.perf_counter()
    for _ in range(calls):
        candidate()
    _finish(device)
    return (time.perf_counter() - start) / calls


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _timing(size: str, name: str, device: str, seconds: Mapping[str, list[float]], candidate: Candidate) -> Timing:
    speed = ratios(seconds[BASELINE], seconds[name])
    milliseconds = 1000 * spread(seconds[name]).median
    memory = _numpy_memory(candidate) if name == "NumPy" else _memory(candidate, device)
    return Timing(size, name, device, milliseconds, *speed, *memory)


def _memory(candidate: Candidate, device: str) -> tuple[int, int]:
    """Bytes allocated in one call: the sum, and the peak."""
    if device == "cuda":
        torch.cuda.synchronize()
        before, held = torch.cuda.memory_stats(), torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        result = candidate()
        torch.cuda.synchronize()
        key = "allocated_bytes.all.allocated"
        total = torch.cuda.memory_stats()[key] - before[key]
        del result
        return int(total), int(torch.cuda.max_memory_allocated() - held)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it prints about missing GPUs
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        result = candidate()
    del result
    held = total = peak = 0
    events = profile.profiler.kineto_results.events()
    for event in sorted((event for event in events if event.name() == "[memory]"), key=lambda event: event.start_ns()):
        held += event.nbytes()
        total += max(0, event.nbytes())
        peak = max(peak, held)
    return total, peak


def _numpy_memory(candidate: Candidate) -> tuple[None, int]:
    """Peak of NumPy's allocations, as traced by Python."""
    tracemalloc.start()
    candidate()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return None, peak
