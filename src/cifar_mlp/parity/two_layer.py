"""The report's network, affine - ReLU - affine - softmax, with hand-derived gradients.

:func:`intermediates` keeps every tensor for inspection; :func:`loss_and_gradients` overwrites its temporaries and
returns only the gradients. Both run the same lines, with the formulas of :mod:`cifar_mlp.parity.layers`.

No function here reads a label's value, so none waits for a GPU. A label outside [0, C) fails in PyTorch's ``gather``:
an exception on the CPU, a device-side assertion on CUDA; :func:`cifar_mlp.parity.validation.check_labels` names it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.validation import (
    check_batch,
    check_labels,
    check_problem,
    check_regularization,
    check_same_shapes,
    check_schedule,
    check_scores_input,
)
from cifar_mlp.parity.without_autograd import plain

# Shape legend: N = examples, D = input features, H = hidden units, C = classes


class Parameters(NamedTuple):
    """The learned tensors; all of one float dtype and on one device."""

    w1: Tensor  # (D, H)
    b1: Tensor  # (H,)
    w2: Tensor  # (H, C)
    b2: Tensor  # (C,)


class Gradients(Parameters):
    """The gradient of the loss in each parameter, with the parameter's shape, dtype and device."""


class Trace(NamedTuple):
    """Every tensor of one forward and backward pass, in the parameters' dtype."""

    z2: Tensor  # (N, H), first affine map
    a2: Tensor  # (N, H), after ReLU
    scores: Tensor  # (N, C), z3, the logits
    probabilities: Tensor  # (N, C), softmax of the scores
    loss: Tensor  # (), mean cross-entropy plus L2 penalty
    dz3: Tensor  # (N, C), gradient in the scores
    da2: Tensor  # (N, H), gradient after ReLU
    dz2: Tensor  # (N, H), gradient before ReLU
    w1: Tensor  # (D, H), gradient
    b1: Tensor  # (H,), gradient
    w2: Tensor  # (H, C), gradient
    b2: Tensor  # (C,), gradient


@plain
def forward(parameters: Parameters, inputs: Tensor) -> Tensor:
    """Map inputs ``(N, D)`` to scores ``(N, C)``: z3, the logits before softmax.

    Raises:
        ValueError: For wrong shapes, mixed or non-float dtypes, mixed devices, or an empty batch.
    """
    check_scores_input(parameters, inputs)
    w1_DH, b1_H, w2_HC, b2_C = parameters
    a2_NH = layers.relu_forward(layers.affine_forward(inputs, w1_DH, b1_H))
    return layers.affine_forward(a2_NH, w2_HC, b2_C)


def intermediates(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Trace:
    """Run both passes and keep every tensor; arguments, errors and numbers as :func:`loss_and_gradients`."""
    return _passes(parameters, inputs, labels, regularization, overwrite=False)


def loss_and_gradients(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, Gradients]:
    """The loss and its gradient in every parameter; the gradient in the inputs is not computed.

    Args:
        parameters: See :class:`Parameters`.
        inputs: ``(N, D)``, with the parameters' dtype and device.
        labels: ``(N,)``, int64, each in [0, C).
        regularization: lambda in lambda * (||w1||_F^2 + ||w2||_F^2); biases are not penalised.

    Returns:
        The loss ``()`` in the parameters' dtype, and the gradients.

    Raises:
        ValueError: For an invalid argument, naming it; labels are checked for their shape and dtype only.
    """
    trace = _passes(parameters, inputs, labels, regularization, overwrite=True)
    return trace.loss, Gradients(trace.w1, trace.b1, trace.w2, trace.b2)


@plain
def _passes(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float, *, overwrite: bool) -> Trace:
    """Both passes; ``overwrite`` puts a2 in the place of z2, dz2 in that of da2, and the penalty into the gradients."""
    check_problem(parameters, inputs, labels)
    check_regularization(regularization)
    w1_DH, b1_H, w2_HC, b2_C = parameters

    z2_NH = layers.affine_forward(inputs, w1_DH, b1_H)
    a2_NH = layers.relu_forward(z2_NH, out=z2_NH if overwrite else None)  # a2 > 0 exactly where z2 > 0
    z3_NC = layers.affine_forward(a2_NH, w2_HC, b2_C)
    data_loss, p_NC = layers.softmax_cross_entropy_forward(z3_NC, labels)

    dz3_NC = layers.softmax_cross_entropy_backward(p_NC, labels).to(z3_NC.dtype)
    dw2_HC, db2_C = layers.affine_backward_parameters(dz3_NC, a2_NH)
    da2_NH = layers.affine_backward_input(dz3_NC, w2_HC)
    dz2_NH = layers.relu_backward(da2_NH, z2_NH, out=da2_NH if overwrite else None)
    dw1_DH, db1_H = layers.affine_backward_parameters(dz2_NH, inputs)
    loss = data_loss
    if regularization:  # without a penalty, skip reading the weights again
        loss = loss + layers.l2_penalty_forward(regularization, w1_DH, w2_HC)
        dw1_DH = layers.l2_penalty_backward(dw1_DH, regularization, w1_DH, out=dw1_DH)
        dw2_HC = layers.l2_penalty_backward(dw2_HC, regularization, w2_HC, out=dw2_HC)
    p_NC, loss = (p_NC if overwrite else p_NC.to(z3_NC.dtype)), loss.to(z3_NC.dtype)
    return Trace(z2_NH, a2_NH, z3_NC, p_NC, loss, dz3_NC, da2_NH, dz2_NH, dw1_DH, db1_H, dw2_HC, db2_C)


@torch.no_grad()
def sgd_step(parameters: Parameters, gradients: Gradients, learning_rate: float) -> Parameters:
    """One SGD step, ``w - learning_rate * dw``, as new tensors.

    Raises:
        ValueError: If a gradient's shape, dtype or device differs from its parameter's.
    """
    check_same_shapes(parameters, gradients)
    return Parameters(*(w.sub(dw, alpha=learning_rate) for w, dw in zip(parameters, gradients, strict=True)))


@plain
def train(
    parameters: Parameters,
    inputs: Tensor,
    labels: Tensor,
    *,
    batches: Iterable[Tensor | np.ndarray | Sequence[int]],
    learning_rate: float,
    decay: float,
    decay_every: int,
    regularization: float,
) -> tuple[Parameters, list[float]]:
    """Stochastic gradient descent, one step per batch.

    Args:
        parameters: Starting point; not modified.
        inputs: ``(N, D)``, the training set.
        labels: ``(N,)``, int64, each in [0, C); their values are read once, before the first step.
        batches: Indices in [0, N) of the examples of each step; repeats are allowed. Those on a GPU are not checked.
        learning_rate: Rate of the first step.
        decay: Factor applied to the rate after every ``decay_every`` steps.
        decay_every: Steps between decays, at least 1.
        regularization: As in :func:`loss_and_gradients`.

    Returns:
        The trained parameters, and the loss before each update.

    Raises:
        ValueError: For an invalid argument, naming it.
    """
    check_problem(parameters, inputs, labels)
    check_labels(labels, num_classes=len(parameters.b2))
    check_schedule(learning_rate, decay, decay_every)
    losses: list[Tensor] = []
    for step, batch in enumerate(batches, start=1):
        rows = torch.as_tensor(batch)
        check_batch(rows, step, len(inputs))
        rows = rows.to(inputs.device)
        loss, gradients = loss_and_gradients(parameters, inputs[rows], labels[rows], regularization)
        parameters = sgd_step(parameters, gradients, learning_rate)
        losses.append(loss)
        if step % decay_every == 0:
            learning_rate *= decay
    return parameters, torch.stack(losses).tolist() if losses else []  # one device sync, at the end
