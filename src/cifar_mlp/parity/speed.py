"""How fast by hand is beside autograd, and what it allocates; the answers are compared before the clocks."""

import os
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity import two_layer, witness
from cifar_mlp.parity.evidence.cases import Case, drawn, parse_size
from cifar_mlp.parity.two_layer import Gradients, Parameters

Answer = tuple[Tensor, Gradients]
Candidate = Callable[[], Answer]

BASELINE = "autograd, eager"
DEFAULT_SIZES = ("510-600-10:200", "3072-2048-10:200")
AGREEMENT = 1e-5
"""Normwise, float32: candidates further apart than this are not doing the same work."""
SECONDS_A_ROUND = 0.04
"""For each candidate; calls are repeated to fill it, so that the clock's own cost vanishes."""


@dataclass(frozen=True)
class Timing:
    """One candidate at one size."""

    size: str
    candidate: str
    device: str
    milliseconds: float
    """Median over the rounds, for one loss and its gradients."""
    speed: float
    """Median over the rounds of the baseline's time over this one's: above 1 is faster."""
    speed_quartiles: tuple[float, float]
    speed_range: tuple[float, float]
    allocated_bytes: int | None
    """In one call, all allocations added up; None where it cannot be traced."""
    peak_bytes: int | None
    """In one call, the most that was held at once above what was there before."""


def benchmark(
    sizes: tuple[str, ...] = DEFAULT_SIZES,
    *,
    device: str = "cpu",
    rounds: int = 20,
    seed: int = 0,
    with_compile: bool = True,
    progress: Callable[[str], None] = lambda step: None,
) -> tuple[list[Timing], list[str]]:
    """Time every candidate in float32, in turn within each round, so that all of them see the same weather.

    Returns:
        The timings, and one line for every candidate that could not run.

    Raises:
        ValueError: For a size that cannot be read, or no rounds.
        RuntimeError: When the candidates do not agree.
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
                compiled = _autograd(case, torch.compile(_loss_of))
                compiled()
                candidates["autograd, torch.compile"] = compiled
            except Exception as error:  # whatever a machine without a compiler raises, the others still run
                absent.append(f"{size}: torch.compile not run ({type(error).__name__})")
        check_agreement(candidates)
        progress(f"{size}: {rounds} rounds")
        seconds = _race(candidates, rounds, device)
        timings += [_timing(size, name, device, seconds, candidates[name]) for name in candidates]
    return timings, absent


def check_agreement(candidates: Mapping[str, Candidate]) -> None:
    """Raise ``RuntimeError`` unless all candidates give the baseline's loss and gradients."""
    loss, gradients = candidates[BASELINE]()
    expected = {"loss": loss, **gradients._asdict()}
    for name, candidate in candidates.items():
        got_loss, got_gradients = candidate()
        for tensor, got in {"loss": got_loss, **got_gradients._asdict()}.items():
            error = float((got - expected[tensor]).norm() / expected[tensor].norm())
            if not error <= AGREEMENT:
                raise RuntimeError(f"{name} and {BASELINE} differ on {tensor}: {error:.1e} normwise")


def _candidates(case: Case) -> Iterator[tuple[str, Candidate]]:
    yield BASELINE, _autograd(case, _loss_of)
    problem = (case.parameters, case.inputs, case.labels, case.regularization)
    yield "by hand", lambda: two_layer.loss_and_gradients(*problem)
    if case.inputs.device.type != "cpu":
        return
    w1, b1, w2, b2 = (parameter.numpy() for parameter in case.parameters)
    inputs, labels = case.inputs.numpy(), case.labels.numpy()

    def in_numpy() -> Answer:
        said = witness.testify(w1, b1, w2, b2, inputs, labels, case.regularization)
        arrays = (torch.from_numpy(array) for array in (said.w1, said.b1, said.w2, said.b2))
        return torch.from_numpy(said.loss), Gradients(*arrays)

    yield "NumPy", in_numpy


def _loss_of(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Tensor:
    """The loss as one writes it for speed: fused affine maps and cross-entropy."""
    w1, b1, w2, b2 = parameters
    scores = torch.addmm(b2, functional.relu(torch.addmm(b1, inputs, w1)), w2)
    return functional.cross_entropy(scores, labels) + regularization * (w1.square().sum() + w2.square().sum())


def _autograd(case: Case, loss_of: Callable[..., Tensor]) -> Candidate:
    leaves = Parameters(*(parameter.clone().requires_grad_() for parameter in case.parameters))

    def answer() -> Answer:
        loss = loss_of(leaves, case.inputs, case.labels, case.regularization)
        return loss.detach(), Gradients(*torch.autograd.grad(loss, leaves))

    return answer


def _race(candidates: Mapping[str, Candidate], rounds: int, device: str) -> dict[str, list[float]]:
    """Seconds a call, for every candidate and round; each round starts with another candidate."""
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
    speeds = [base / own for base, own in zip(seconds[BASELINE], seconds[name], strict=True)]
    low, _, high = statistics.quantiles(speeds, n=4, method="inclusive") if len(speeds) > 1 else (speeds[0],) * 3
    allocated, peak = _numpy_memory(candidate) if name == "NumPy" else _memory(candidate, device)
    return Timing(
        size,
        name,
        device,
        1000 * statistics.median(seconds[name]),
        statistics.median(speeds),
        (low, high),
        (min(speeds), max(speeds)),
        allocated,
        peak,
    )


def _memory(candidate: Candidate, device: str) -> tuple[int, int]:
    """Bytes allocated in one call: all of them, and the most at once."""
    if device == "cuda":
        torch.cuda.synchronize()
        before, held = torch.cuda.memory_stats(), torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        answer = candidate()
        torch.cuda.synchronize()
        key = "allocated_bytes.all.allocated"
        total = torch.cuda.memory_stats()[key] - before[key]
        del answer
        return int(total), int(torch.cuda.max_memory_allocated() - held)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it prints of GPUs that are not there
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        answer = candidate()
    del answer
    held = total = peak = 0
    events = profile.profiler.kineto_results.events()
    for event in sorted((event for event in events if event.name() == "[memory]"), key=lambda event: event.start_ns()):
        held += event.nbytes()
        total += max(0, event.nbytes())
        peak = max(peak, held)
    return total, peak


def _numpy_memory(candidate: Candidate) -> tuple[None, int]:
    """NumPy's allocations as Python traces them: the most at once."""
    tracemalloc.start()
    candidate()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return None, peak
