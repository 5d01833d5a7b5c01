"""Timing: an epoch inside an implementation's process, which waits for a signal first, and a repeated call."""

import functools
import pickle
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback
from torch import Tensor

from cifar_mlp.benchmarks.problem import Problem, Weights, weights_of


class Epoch(NamedTuple):
    """Seconds of one epoch."""

    seconds: float  # training steps and everything that belongs to them
    other_seconds: dict[str, float]  # what is reported separately, by name


class Snapshot(NamedTuple):
    """A network at some moment of its first epoch."""

    moment: str  # "steps": after Problem.check_steps; "epoch": at the end
    loss: float  # cross-entropy on the first training images
    weights: list[Weights]

    @property
    def parameters(self) -> int:
        """The number of weights and biases."""
        return sum(tensor.numel() for layer in self.weights for tensor in layer)


class EpochTimer:
    """Times the epochs of one implementation.

    Args:
        problem: What is trained.
        epochs: How many; the first warms up and is compared.
        channel: Per epoch: ``"ready"`` out, anything in, an :class:`Epoch` out; in the first also :class:`Snapshot`.
    """

    def __init__(self, problem: Problem, epochs: int, channel: Connection) -> None:
        self.problem, self.epochs, self._channel = problem, epochs, channel
        self._other_seconds: defaultdict[str, float] = defaultdict(float)

    def run(
        self, train_epoch: Callable[[int], object], weights: Callable[[], list[Weights]], slope: float = 0.01
    ) -> None:
        """Time every epoch of an implementation that is a function of the epoch.

        Args:
            train_epoch: Trains one epoch, given its number.
            weights: The layers, wanted after the first epoch.
            slope: Of the network's LeakyReLU; 0 for ReLU.
        """
        for epoch in range(self.epochs):
            self.start()
            train_epoch(epoch)
            self.end()
            if epoch == 0:
                self.snapshot("epoch", weights(), slope)

    def run_in_order(self, train: Callable[[Tensor], object], weights: Callable[[], list[Weights]]) -> None:
        """The same for an implementation that takes the images' order, so that it can be compared after a few steps.

        Args:
            train: Trains on the images of these indices, int64, one step for each batch.
            weights: The layers as they are.
        """

        def train_epoch(epoch: int) -> None:
            order = self.problem.order(epoch)
            if epoch == 0:
                compared = self.problem.check_steps * self.problem.batch_size
                train(order[:compared])
                self.snapshot("steps", weights())
                order = order[compared:]
            train(order)

        self.run(train_epoch, weights)

    def start(self) -> None:
        """Wait for the signal, and start the clock."""
        self._channel.send("ready")
        self._channel.recv()
        self._other_seconds.clear()
        self._started = time.perf_counter()

    def end(self) -> None:
        """Stop the clock and report."""
        finish(self.problem.device)
        seconds = time.perf_counter() - self._started
        self.report(seconds - sum(self._other_seconds.values()), dict(self._other_seconds))

    def report(self, seconds: float, other_seconds: dict[str, float]) -> None:
        """Report an epoch; see :class:`Epoch`."""
        self._channel.send(Epoch(seconds, other_seconds))

    def time_separately(self, owner: Any, method: str, name: str) -> None:
        """From now on the seconds of ``owner.method`` are reported under ``name``; such calls must not be nested."""
        inner: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(inner)
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*arguments, **named)
            finally:
                self._other_seconds[name] += time.perf_counter() - started

        setattr(owner, method, timed)

    def snapshot(self, moment: str, weights: list[Weights], slope: float = 0.01) -> None:
        """Send the network for comparison; arguments as in :class:`Snapshot` and :meth:`run`."""
        taken = Snapshot(moment, self.problem.probe_loss(weights, slope), weights)
        # By value: tensors sent as they are share memory through a folder, which stays behind when a process is killed.
        self._channel.send_bytes(pickle.dumps(taken))


def seconds_a_call(call: Callable[[], object], calls: int, device: str) -> float:
    """The mean over some calls, until the device has finished them."""
    finish(device)
    started = time.perf_counter()
    for _ in range(calls):
        call()
    finish(device)
    return (time.perf_counter() - started) / calls


def finish(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


class TimeEpochs(Callback):
    """An epoch lasts from its start to the start of the next. The affine maps are those of ``pl_module.network``."""

    def __init__(self, timer: EpochTimer) -> None:
        self.timer = timer

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Watch the first steps."""
        trainer.callbacks = [*trainer.callbacks, SnapshotAfterSteps(self.timer)]

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """End one epoch, begin the next."""
        if trainer.current_epoch:
            self.timer.end()
        self.timer.start()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End the last epoch."""
        self.timer.end()


class SnapshotAfterSteps(Callback):
    """Sends the network after some steps, and removes itself, so that later epochs do not pay for it."""

    def __init__(self, timer: EpochTimer) -> None:
        self.timer = timer

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Check the step."""
        if trainer.global_step == self.timer.problem.check_steps:
            self.timer.snapshot("steps", weights_of(pl_module.network))
            trainer.callbacks = [callback for callback in trainer.callbacks if callback is not self]


Train = Callable[[Problem, EpochTimer], None]
"""An implementation: trains ``timer.epochs`` epochs, ``timer.start()`` before each and ``timer.end()`` after."""
