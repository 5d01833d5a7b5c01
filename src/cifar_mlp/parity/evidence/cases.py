"""The problems that every comparison runs on.

Every drawn number has at most eight significant bits, so float64, float32, bfloat16 and float16 hold it exactly and
nothing starts from rounded data. No two dimensions of a case are equal, so a matrix transposed by mistake does not
fit. No hidden unit is near its kink, except exactly on it in ``kink``.
"""

import re
from typing import NamedTuple

import torch
from torch import Tensor

from cifar_mlp.parity import toy
from cifar_mlp.parity.drawing import draw_layer, few_bits, normal
from cifar_mlp.parity.two_layer import Parameters

# Shape legend: N = examples, D = input features, H = hidden units, C = classes

DEFAULT_BATCH = 200
DEFAULT_SIZES = ("toy", "13-9-4:1", "64-48-10:57", "510-600-10:200", "3072-2048-10:200")
KINK_MARGIN = 1e-4  # of the typical |z2|; a thousand times float32's rounding


class Case(NamedTuple):
    """One problem, in float64 on the CPU."""

    name: str
    parameters: Parameters
    inputs: Tensor
    labels: Tensor
    regularization: float
    smooth: bool = True
    """Whether central differences apply: no kink, no huge or nearly vanishing gradient."""

    @property
    def problem(self) -> tuple[Parameters, Tensor, Tensor, float]:
        """The arguments of ``loss_and_gradients``."""
        return self.parameters, self.inputs, self.labels, self.regularization

    @property
    def multiply_adds(self) -> int:
        """Of the first affine map, the largest matmul."""
        return self.inputs.numel() * self.parameters.w1.shape[1]

    def to(self, device: str, dtype: torch.dtype) -> "Case":
        """The same problem on another device in another dtype."""
        return self._replace(
            parameters=Parameters(*(parameter.to(dtype).to(device) for parameter in self.parameters)),
            inputs=self.inputs.to(dtype).to(device),  # rounded on the CPU: not every device has float64
            labels=self.labels.to(device),
        )

    def rounded(self, dtype: torch.dtype) -> "Case":
        """The problem rounded to ``dtype``, in float64."""
        return self.to("cpu", dtype).to("cpu", torch.float64)


def standard_cases(sizes: tuple[str, ...], seed: int) -> list[Case]:
    """The cases of ``sizes``, then the special ones that every run includes.

    Args:
        sizes: Each ``toy``, ``D-H-C`` (batch 200) or ``D-H-C:N``.
        seed: Of everything drawn.

    Raises:
        ValueError: For any other size, or dimensions that are not positive and different.
    """
    dimensions = {size: parse_size(size) for size in sizes if size != "toy"}  # fail before long work
    specials = (kink(), large_logits(), confident(seed), single_class(seed), dead_units(seed))
    chosen = [toy_case() if size == "toy" else drawn(size, *dimensions[size], seed) for size in sizes]
    return [*chosen, *specials]


def parse_size(size: str) -> tuple[int, int, int, int]:
    """Read ``D-H-C`` or ``D-H-C:N`` into (D, H, C, N)."""
    match = re.fullmatch(r"(\d+)-(\d+)-(\d+)(?::(\d+))?", size)
    if match is None:
        raise ValueError(f"--sizes: {size!r} is neither toy nor D-H-C[:N], e.g. 510-600-10:200")
    d, h, c, n = (int(group or DEFAULT_BATCH) for group in match.groups())
    if min(d, h, c, n) < 1:
        raise ValueError(f"--sizes: {size!r} has a dimension below 1")
    if len({d, h, c, n}) < 4:
        raise ValueError(f"--sizes: {size!r} (batch {n}) has equal dimensions, which hide a transposition")
    return d, h, c, n


def toy_case() -> Case:
    """The report's toy problem."""
    problem = toy.toy_problem()
    return Case("toy", problem.parameters, problem.inputs, problem.labels, toy.REGULARIZATION)


def drawn(name: str, d: int, h: int, c: int, n: int, seed: int, regularization: float = 1e-3) -> Case:
    """A case with N(0, 1) inputs, weights that keep that scale, and non-zero biases."""
    generator = torch.Generator().manual_seed(seed)
    inputs = few_bits(normal(generator, n, d))
    first, second = draw_layer(d, h, generator), draw_layer(h, c, generator)
    w1, b1, w2, b2 = first["weight"], first["bias"], second["weight"], second["bias"]
    labels = torch.randint(c, (n,), generator=generator)
    z2 = inputs @ w1
    margin = KINK_MARGIN * float((z2 + b1).square().mean().sqrt())
    while (near := ((z2 + b1).abs() < margin).any(0)).any():  # redraw the bias of units too near their kink
        b1[near] = few_bits(0.3 * normal(generator, int(near.sum())))
    return Case(name, Parameters(w1, b1, w2, b2), inputs, labels, regularization)


def kink() -> Case:
    """Small integers: in every dtype many hidden units are exactly zero; rows 0 and 1 are equal."""
    n, d, h, c = 11, 6, 9, 4
    inputs = _pattern(n, d, 5) - 2
    inputs[1] = inputs[0]
    w1, b1 = _pattern(d, h, 3) - 1, _pattern(1, h, 2)[0]
    w2, b2 = (_pattern(h, c, 7) - 3) / 4, (_pattern(1, c, 3)[0] - 1) / 2
    return Case("kink", Parameters(w1, b1, w2, b2), inputs, torch.arange(n) % c, 0.125, smooth=False)


def large_logits() -> Case:
    """Logits of -1e4 to 1e4, some with tied maxima; every sum is exact in float32."""
    n, h, c = 5, 3, 4
    inputs = torch.tensor([[1.0, 0], [0, 1], [1, 1], [2, 0], [0, 2]], dtype=torch.float64)
    w1 = torch.tensor([[64.0, 0, 32], [0, 64, 32]], dtype=torch.float64)
    w2 = torch.tensor([[80.0, 80, -80, 0], [-80, 0, 80, 64], [0, 0, 0, -16]], dtype=torch.float64)
    parameters = Parameters(w1, torch.zeros(h).double(), w2, torch.tensor([16.0, 16, -16, 0]).double())
    return Case("large-logits", parameters, inputs, torch.arange(n) % c, 2.0**-20, smooth=False)


def confident(seed: int) -> Case:
    """A network confident of the right class: p - onehot nearly cancels, to 1e-5 and below."""
    case = drawn("confident", 12, 7, 5, 60, seed, regularization=0.0)
    w1, b1, w2, b2 = case.parameters
    scores = torch.relu(case.inputs @ w1 + b1) @ w2
    margins = -scores.topk(2).values.diff().squeeze(1)
    most_confident = margins.topk(9).indices
    w2 = few_bits(w2 * float(12 / margins[most_confident].min()))
    parameters = Parameters(w1, b1, w2, torch.zeros_like(b2))
    return case._replace(
        parameters=parameters, inputs=case.inputs[most_confident], labels=scores[most_confident].argmax(1), smooth=False
    )


def single_class(seed: int) -> Case:
    """One class: p is always 1, so the loss and every gradient are zero."""
    return drawn("single-class", 5, 4, 1, 3, seed, regularization=0.0)._replace(smooth=False)


def dead_units(seed: int) -> Case:
    """Every hidden unit is off for every example: only b2 has a gradient."""
    case = drawn("dead-units", 8, 6, 3, 7, seed, regularization=0.0)
    off = case.parameters._replace(b1=torch.full((6,), -64.0, dtype=torch.float64))
    return case._replace(parameters=off, smooth=False)


def _pattern(rows: int, columns: int, values: int) -> Tensor:
    """Irregular integers in [0, values), the same on every machine."""
    k = torch.arange(rows * columns)
    return ((k * k * 7 + k * 13 + k // columns * 5) % 31 % values).reshape(rows, columns).double()
