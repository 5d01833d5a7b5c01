"""A hundred training steps side by side, and the same run twice."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence import autograd
from cifar_mlp.parity.evidence.cases import Case, drawn
from cifar_mlp.parity.evidence.gates import TRAINING_LIMIT, Verdict
from cifar_mlp.parity.two_layer import Parameters

SIZES = (96, 72, 10, 457)  # D, H, C, N: batches of 200, 200 and a ragged 57
BATCH = 200
LEARNING_RATE, DECAY, DECAY_EVERY = 0.1, 0.95, 20
REGULARIZATION = 1e-3


@dataclass(frozen=True)
class Training:
    """The losses of one run beside the reference's, by hand in float64 on the CPU."""

    witness: str
    device: str
    dtype: str
    steps: int
    first_loss: float
    last_loss: float
    largest_relative_error: float
    largest_at_step: int
    limit: float | None
    verdict: Verdict
    losses: tuple[float, ...]

    def __str__(self) -> str:
        """The finding in one line."""
        return (
            f"losses: relative error {self.largest_relative_error:.1e} at step {self.largest_at_step} "
            f"of the training ({self.witness}, {self.device} {self.dtype})"
        )


@dataclass(frozen=True)
class Repeat:
    """Whether two runs of the same calculation gave the same bits."""

    device: str
    dtype: str
    differing: tuple[str, ...]
    verdict: Verdict

    def __str__(self) -> str:
        """The finding in one line."""
        tensors = ", ".join(self.differing) or "no tensor"
        return f"{tensors}: bits differ from run to run ({self.device} {self.dtype})"


def compare_training(devices: Sequence[str], steps: int, seed: int) -> list[Training]:
    """Train on every device in float64 and float32, and by autograd with torch.optim.SGD, from one start."""
    case = drawn("training", *SIZES, seed, REGULARIZATION)
    batches = _batches(len(case.labels), steps, seed)
    reference = _train_by_hand(case, batches)
    losses = _train_by_autograd(case, batches)
    found = [_beside("autograd, torch.optim.SGD", "cpu", torch.float64, reference, losses)]
    for device in devices:
        for dtype in (torch.float64, torch.float32):
            if device == "mps" and dtype == torch.float64:
                continue
            losses = _train_by_hand(case.to(device, dtype), batches)
            found.append(_beside("hand", device, dtype, reference, losses))
    return found


def run_twice(device: str, dtypes: Sequence[torch.dtype]) -> list[Repeat]:
    """Compute loss and gradients twice and compare the bits."""
    found = []
    for dtype in dtypes:
        if device == "mps" and dtype == torch.float64:
            continue
        here = drawn("repeat", 510, 600, 10, 200, seed=0).to(device, dtype)
        problem = (here.parameters, here.inputs, here.labels, here.regularization)
        runs = (two_layer.loss_and_gradients(*problem) for _ in range(2))
        first, second = ({"loss": loss, **gradients._asdict()} for loss, gradients in runs)
        differing = tuple(name for name in first if not torch.equal(first[name], second[name]))
        found.append(Repeat(device, _short(dtype), differing, "FAIL" if differing else "pass"))
    return found


def _batches(examples: int, steps: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    batches: list[torch.Tensor] = []
    while len(batches) < steps:
        batches += torch.randperm(examples, generator=generator).split(BATCH)
    return batches[:steps]


def _train_by_hand(case: Case, batches: list[torch.Tensor]) -> list[float]:
    _, losses = two_layer.train(
        case.parameters,
        case.inputs,
        case.labels,
        batches=batches,
        learning_rate=LEARNING_RATE,
        decay=DECAY,
        decay_every=DECAY_EVERY,
        regularization=case.regularization,
    )
    return losses


def _train_by_autograd(case: Case, batches: list[torch.Tensor]) -> list[float]:
    parameters = Parameters(*(tensor.clone().requires_grad_() for tensor in case.parameters))
    optimizer = torch.optim.SGD(parameters, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, DECAY_EVERY, DECAY)
    losses = []
    for batch in batches:
        loss = autograd.loss_of(parameters, case.inputs[batch], case.labels[batch], case.regularization)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def _beside(witness: str, device: str, dtype: torch.dtype, reference: list[float], losses: list[float]) -> Training:
    errors = [abs(a - b) / max(abs(b), 1e-300) for a, b in zip(losses, reference, strict=True)]
    errors = [math.inf if math.isnan(error) else error for error in errors]  # NaN: the largest error of all
    largest = max(errors)
    limit = TRAINING_LIMIT if dtype == torch.float64 else None
    verdict: Verdict = "shown" if limit is None else "pass" if largest <= limit else "FAIL"
    return Training(
        witness, device, _short(dtype), len(losses), losses[0], losses[-1],
        largest, errors.index(largest), limit, verdict, tuple(losses),
    )  # fmt: skip


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
