"""A harness's side of the race: it waits for its turn, trains an epoch, and says how long that took."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch

from cifar_mlp.benchmarks.clock import Clock
from cifar_mlp.benchmarks.problem import Problem, Weights


class Lap(NamedTuple):
    """One epoch.

    Attributes:
        seconds: Of the training steps with all that belongs to them.
        apart: Seconds of what is reported apart, by name.
    """

    seconds: float
    apart: dict[str, float]


class Seen(NamedTuple):
    """A network at some moment of its first epoch.

    Attributes:
        moment: ``steps``, after ``Problem.check_steps`` of them, or ``epoch``, at the epoch's end.
        parameters: How many there are.
        loss: Cross-entropy on the first training images.
        weights: The layers.
    """

    moment: str
    parameters: int
    loss: float
    weights: list[Weights]


class Wire(Protocol):
    """The way to whoever calls the turns."""

    def send(self, message: Any, /) -> None: ...
    def recv(self) -> Any: ...


class Laps:
    """Counts the laps of one harness.

    Args:
        problem: What is trained.
        count: Laps in all, the first of them for warming up and for being compared.
        wire: Lap by lap: ``"ready"`` out, anything in, a :class:`Lap` out; in the first lap :class:`Seen` too.
    """

    def __init__(self, problem: Problem, count: int, wire: Wire) -> None:
        self.problem, self.count, self._wire = problem, count, wire
        self.clock = Clock()

    def start(self) -> None:
        """Wait for the turn, and start the clock."""
        self._wire.send("ready")
        self._wire.recv()
        self.clock.start()

    def end(self) -> None:
        """Stop the clock and report."""
        if self.problem.device == "cuda":
            torch.cuda.synchronize()
        seconds = self.clock.read()
        self.report(seconds.pop("training"), seconds)

    def report(self, seconds: float, apart: dict[str, float]) -> None:
        """Report a lap that was timed otherwise."""
        self._wire.send(Lap(seconds, apart))

    def see(self, moment: str, weights: list[Weights], slope: float = 0.01) -> None:
        """Hand the network over for comparison.

        Args:
            moment: See :class:`Seen`.
            weights: Its layers.
            slope: Of its LeakyReLU; 0 for ReLU.
        """
        count = sum(tensor.numel() for layer in weights for tensor in layer)
        self._wire.send(Seen(moment, count, self.problem.probe_loss(weights, slope), weights))


Harness = Callable[[Problem, Laps], None]
"""Trains ``laps.count`` epochs: ``laps.start()`` before each, ``laps.end()`` after."""
