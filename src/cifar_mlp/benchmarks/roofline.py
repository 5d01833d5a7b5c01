"""The shortest time that an epoch can take on this machine, measured piece by piece.

Whatever the implementation, a step needs its matmuls (forward, weight gradient, and input gradient except for the first
layer), at the rate measured for each shape and type, and the optimizer's memory traffic, at the rate measured for
streaming through arrays of that size: Adam reads parameter, gradient and two moments and writes all but the gradient.
In bfloat16, parameters are also cast on the way in and gradients on the way out. Everything else (activations, loss,
batches, bookkeeping) is overhead.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from cifar_mlp.benchmarks.epochs import EpochTimer, seconds_a_call
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.models.hand_derived.matmuls import onednn

ADAM_BYTES = 7 * 4  # a parameter
CAST_BYTES = 2 * (4 + 2)
SECONDS = 0.05  # to measure each piece


def measure(problem: Problem, timer: EpochTimer) -> None:
    """Report the shortest epoch, the seconds of its two pieces, and their rates in operations and bytes a second."""
    matmuls = list(_matmuls(problem))
    stream, moved = _stream(problem)
    for _ in range(timer.epochs):
        timer.start()
        seconds = sum(min(_best_seconds(way, problem.device) for way in ways) for ways, _ in matmuls)
        bandwidth = moved / _best_seconds(stream, problem.device)
        matmul_seconds = seconds * problem.images / problem.batch_size
        optimizer_seconds = traffic_bytes(problem) / bandwidth * problem.steps
        pieces = {"matmul_seconds": matmul_seconds, "optimizer_seconds": optimizer_seconds}
        rates = {"flop_per_second": sum(flop for _, flop in matmuls) / seconds, "bytes_per_second": bandwidth}
        timer.report(matmul_seconds + optimizer_seconds, {**pieces, **rates})


def parameters(problem: Problem) -> int:
    """The number of weights and biases."""
    return sum(inputs * outputs + outputs for inputs, outputs in problem.layers)


def traffic_bytes(problem: Problem) -> int:
    """Bytes that the optimizer moves in a step."""
    return parameters(problem) * (ADAM_BYTES + CAST_BYTES * problem.half)


def _matmuls(problem: Problem) -> Iterator[tuple[list[Callable[[], Tensor]], int]]:
    """Every matmul of a step as functions, one for each library, and its floating-point operations."""
    dtype = torch.bfloat16 if problem.half else torch.float32
    draw = partial(torch.randn, dtype=dtype, device=problem.device)
    for number, (inputs, outputs) in enumerate(problem.layers):
        x, g, w = draw(problem.batch_size, inputs), draw(problem.batch_size, outputs), draw(outputs, inputs)
        for left, right in [(x, w.T), (g.T, x)] + ([(g, w)] if number else []):
            ways: list[Callable[[], Tensor]] = [partial(torch.mm, left, right, out=left @ right)]
            with suppress(AttributeError, RuntimeError, NotImplementedError):  # as where the hand-derived steps choose
                if problem.device == "cpu":
                    onednn(left, right.T)
                    ways.append(partial(onednn, left, right.T))
            yield ways, 2 * problem.batch_size * inputs * outputs


def _stream(problem: Problem) -> tuple[Callable[[], None], int]:
    """A pass through four arrays of the parameters' size, as Adam makes it, and the bytes that it moves."""
    a, b, c, d = torch.ones(4, parameters(problem), device=problem.device).unbind()

    def call() -> None:
        torch.add(a, b, out=c)
        torch.add(c, d, out=b)

    return call, 2 * 3 * 4 * parameters(problem)


def _best_seconds(call: Callable[[], object], device: str) -> float:
    """The best of some repetitions: what the machine can do."""
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        best = min(best, seconds_a_call(call, 10, device))
    return best
