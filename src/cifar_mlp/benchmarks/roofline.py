"""The least time that an epoch can take on this machine, measured piece by piece.

A step of the plain arithmetic needs, and nothing can leave out:

- three matrix products a layer (forward, weight gradient, input gradient; the first layer needs no input gradient),
  each at the rate that this machine reaches on a product of that very shape and type, by the faster of MKL
  and oneDNN where this package chooses;
- the optimizer's traffic: Adam reads parameter, gradient and two moments and writes all but the gradient, seven
  floats a parameter; in bfloat16 the parameters are also cast on the way in and the gradients on the way out, twelve
  bytes more; at the rate at which this machine streams arrays of that size.

An epoch has the products in proportion to its images, also where its last batch is not full, and the traffic once a
step. Everything else (activations, loss, batches, bookkeeping) counts as overhead.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from cifar_mlp.benchmarks.laps import Laps
from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.models.affine import onednn_is_faster, onednn_product

ADAM_BYTES = 7 * 4
CAST_BYTES = 2 * (4 + 2)
SECONDS = 0.05  # for the measurement of each piece


def measure(problem: Problem, laps: Laps) -> None:
    """A lap is the least time of an epoch; ``apart`` has its two pieces, and the rates in operations a second."""
    products = list(_products(problem))
    stream, moved = _stream(problem)
    for _ in range(laps.count):
        laps.start()
        seconds = [min(_seconds_a_call(way, problem.device) for way in ways) for ways, _ in products]
        flops = sum(count for _, count in products)
        bandwidth = moved / _seconds_a_call(stream, problem.device)
        arithmetic = sum(seconds) * problem.images / problem.batch_size
        traffic = traffic_bytes(problem) / bandwidth * problem.steps
        rates = {"flop_per_second": flops / sum(seconds), "bytes_per_second": bandwidth}
        laps.report(arithmetic + traffic, {"products": arithmetic, "traffic": traffic, **rates})


def parameters(problem: Problem) -> int:
    """Weights and biases."""
    return sum(inputs * outputs + outputs for inputs, outputs in problem.layers)


def traffic_bytes(problem: Problem) -> int:
    """What the optimizer moves in a step."""
    return parameters(problem) * (ADAM_BYTES + CAST_BYTES * problem.half)


def _products(problem: Problem) -> Iterator[tuple[list[Callable[[], Tensor]], int]]:
    """Every matrix product of a step, ready to be called in each way there is, and its floating-point operations."""
    dtype = torch.bfloat16 if problem.half else torch.float32

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype, device=problem.device)

    for number, (inputs, outputs) in enumerate(problem.layers):
        x, g, w = (drawn(*shape) for shape in ((problem.batch_size, inputs), (problem.batch_size, outputs),
                                               (outputs, inputs)))  # fmt: skip
        pairs = [(x, w.T), (g.T, x)] + ([(g, w)] if number else [])
        for left, right in pairs:
            ways: list[Callable[[], Tensor]] = [partial(torch.mm, left, right, out=left @ right)]
            if problem.device == "cpu" and not problem.half and onednn_is_faster():
                ways.append(partial(onednn_product, left, right.T))
            yield ways, 2 * problem.batch_size * inputs * outputs


def _stream(problem: Problem) -> tuple[Callable[[], None], int]:
    """Streams through four arrays as large as the parameters, as Adam does; and the bytes moved."""
    a, b, c, d = torch.ones(4, parameters(problem), device=problem.device).unbind()

    def call() -> None:
        torch.add(a, b, out=c)
        torch.add(c, d, out=b)

    return call, 2 * 3 * 4 * parameters(problem)


def _seconds_a_call(call: Callable[[], object], device: str) -> float:
    """The best of some repetitions: what the machine can do, not what it did."""
    best, until = float("inf"), time.perf_counter() + SECONDS
    while True:
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(10):
            call()
        if device == "cuda":
            torch.cuda.synchronize()
        ended = time.perf_counter()
        best = min(best, (ended - started) / 10)
        if ended > until:
            return best
