"""A hundred training steps against torch.optim.SGD, and the same step computed twice."""

from collections.abc import Iterator, Sequence

import torch

from cifar_mlp.parity import two_layer
from cifar_mlp.parity.evidence import autograd
from cifar_mlp.parity.evidence.cases import Case, drawn
from cifar_mlp.parity.evidence.rows import Expected, Origin, Row, worst
from cifar_mlp.parity.two_layer import Parameters

SIZES = (96, 72, 10, 457)  # D, H, C, N: batches of 200, 200 and a ragged 57
BATCH = 200
LEARNING_RATE, DECAY, DECAY_EVERY = 0.1, 0.95, 20
REGULARIZATION = 1e-3
TRAINING_TOLERANCE = 1e-10
"""Normwise, on the vector of losses in float64."""


def training_rows(device: str, steps: int, seed: int) -> Iterator[Row]:
    """Hand-derived training in float64 (judged) and float32 (shown); one row of losses each."""
    case = drawn("training", *SIZES, seed, REGULARIZATION)
    generator = torch.Generator().manual_seed(seed)
    epochs = -(-steps // -(-len(case.labels) // BATCH))
    shuffled = (torch.randperm(len(case.labels), generator=generator) for _ in range(epochs))
    batches = [batch for order in shuffled for batch in order.split(BATCH)][:steps]
    expected = torch.tensor(_train_by_autograd(case, batches), dtype=torch.float64)
    for dtype in _exact_dtypes(device):
        here = case.to(device, dtype)
        _, losses = two_layer.train(
            here.parameters, here.inputs, here.labels, batches=batches, learning_rate=LEARNING_RATE,
            decay=DECAY, decay_every=DECAY_EVERY, regularization=REGULARIZATION,
        )  # fmt: skip
        found = torch.tensor(losses, dtype=dtype, device=device)
        origin, shown = Origin("training", "hand: train", device, dtype), dtype == torch.float32
        yield origin.judge("losses", found, Expected(expected), limit=TRAINING_TOLERANCE, only_show=shown)


def repeat_rows(device: str, dtypes: Sequence[torch.dtype]) -> Iterator[Row]:
    """Loss and gradients computed twice in float64 and float32; every bit must be the same."""
    for dtype in _exact_dtypes(device):
        if dtype not in dtypes:
            continue
        here = drawn("repeat", 510, 600, 10, 200, seed=0).to(device, dtype)
        runs = (two_layer.loss_and_gradients(*here.problem) for _ in range(2))
        first, second = ({"loss": loss, **gradients._asdict()} for loss, gradients in runs)
        origin = Origin("repeat", "hand: same step twice", device, dtype)
        right = {name: Expected(tensor.detach().cpu().double()) for name, tensor in first.items()}
        yield from worst(origin.judge(name, tensor, right[name], limit=0.0) for name, tensor in second.items())


def _exact_dtypes(device: str) -> tuple[torch.dtype, ...]:
    return (torch.float32,) if device == "mps" else (torch.float64, torch.float32)  # MPS has no float64


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
