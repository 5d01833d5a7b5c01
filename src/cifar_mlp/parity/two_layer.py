"""The report's network, affine - ReLU - affine - softmax, and its gradients by hand.

Two doors to one calculation: :func:`intermediates` keeps every tensor on the way for whoever wants to look,
:func:`loss_and_gradients` keeps the gradients alone and writes over its own temporaries.
Both call the same formulas of :mod:`cifar_mlp.parity.layers`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.plain import plain
from cifar_mlp.parity.validation import (
    check_batch,
    check_labels,
    check_problem,
    check_regularization,
    check_same_shapes,
    check_schedule,
    check_scores_input,
)

# Shape legend: N = examples, D = input features, H = hidden units, C = classes


class Parameters(NamedTuple):
    """What is learned: ``w1 (D, H)``, ``b1 (H,)``, ``w2 (H, C)``, ``b2 (C,)``; one float dtype, device."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


class Gradients(NamedTuple):
    """The gradient of the loss in each parameter, of the parameter's shape, dtype and device."""

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor


class Trace(NamedTuple):
    """Every tensor of one forward and one backward pass, all in the parameters' dtype."""

    z2: Tensor
    """``(N, H)``, the first affine map."""
    a2: Tensor
    """``(N, H)``, after ReLU."""
    scores: Tensor
    """``(N, C)``, z3, the logits."""
    probabilities: Tensor
    """``(N, C)``, softmax of the scores."""
    loss: Tensor
    """``()``, mean cross-entropy plus L2 penalty."""
    dz3: Tensor
    """``(N, C)``, gradient in the scores."""
    da2: Tensor
    """``(N, H)``, gradient after ReLU."""
    dz2: Tensor
    """``(N, H)``, gradient before ReLU."""
    w1: Tensor
    """``(D, H)``, gradient."""
    b1: Tensor
    """``(H,)``, gradient."""
    w2: Tensor
    """``(H, C)``, gradient."""
    b2: Tensor
    """``(C,)``, gradient."""


@plain
def forward(parameters: Parameters, inputs: Tensor) -> Tensor:
    """Map inputs ``(N, D)`` to scores ``(N, C)``: z3, the logits before softmax.

    Raises:
        ValueError: For wrong shapes, dtypes that differ or are not float, several devices, or no example.
    """
    check_scores_input(parameters, inputs)
    w1_DH, b1_H, w2_HC, b2_C = parameters
    a2_NH = layers.relu_forward(layers.affine_forward(inputs, w1_DH, b1_H))
    return layers.affine_forward(a2_NH, w2_HC, b2_C)


@plain
def intermediates(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> Trace:
    """Run both passes and keep everything: slower and larger than :func:`loss_and_gradients`, same numbers.

    Args:
        parameters: The weights, see :class:`Parameters`.
        inputs: ``(N, D)``, dtype and device of the parameters.
        labels: ``(N,)``, int64, each in [0, C).
        regularization: lambda in lambda * (||w1||_F^2 + ||w2||_F^2); biases are not penalised.

    Raises:
        ValueError: For an argument that is none of the above, naming it.
    """
    check_problem(parameters, inputs, labels)
    check_labels(labels, parameters.b2.shape[0])
    check_regularization(regularization)
    w1_DH, b1_H, w2_HC, b2_C = parameters

    z2_NH = layers.affine_forward(inputs, w1_DH, b1_H)
    a2_NH = layers.relu_forward(z2_NH)
    z3_NC = layers.affine_forward(a2_NH, w2_HC, b2_C)
    data_loss, p_NC = layers.softmax_cross_entropy_forward(z3_NC, labels)
    loss = data_loss + layers.l2_penalty_forward(regularization, w1_DH, w2_HC)

    dz3_NC = layers.softmax_cross_entropy_backward(p_NC, labels).to(z3_NC.dtype)
    dw2_HC, db2_C = layers.affine_backward_parameters(dz3_NC, a2_NH)
    da2_NH = layers.affine_backward_input(dz3_NC, w2_HC)
    dz2_NH = layers.relu_backward(da2_NH, z2_NH)
    dw1_DH, db1_H = layers.affine_backward_parameters(dz2_NH, inputs)
    dw1_DH = layers.l2_penalty_backward(dw1_DH, regularization, w1_DH)
    dw2_HC = layers.l2_penalty_backward(dw2_HC, regularization, w2_HC)

    dtype = z3_NC.dtype
    return Trace(
        z2_NH,
        a2_NH,
        z3_NC,
        p_NC.to(dtype),
        loss.to(dtype),
        dz3_NC,
        da2_NH,
        dz2_NH,
        dw1_DH,
        db1_H,
        dw2_HC,
        db2_C,
    )


@plain
def loss_and_gradients(
    parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float
) -> tuple[Tensor, Gradients]:
    """The loss and its gradient in every parameter; the input's own gradient is never computed.

    Args:
        parameters: The weights, see :class:`Parameters`.
        inputs: ``(N, D)``, dtype and device of the parameters.
        labels: ``(N,)``, int64, each in [0, C).
        regularization: lambda in lambda * (||w1||_F^2 + ||w2||_F^2); biases are not penalised.

    Returns:
        The loss, a tensor without dimensions in the parameters' dtype, and the gradients.

    Raises:
        ValueError: For an argument that is none of the above, naming it.
    """
    check_problem(parameters, inputs, labels)
    check_labels(labels, parameters.b2.shape[0])
    check_regularization(regularization)
    w1_DH, b1_H, w2_HC, b2_C = parameters

    z2_NH = layers.affine_forward(inputs, w1_DH, b1_H)
    a2_NH = layers.relu_forward(z2_NH, out=z2_NH)  # z2 is gone: a2 > 0 just where it was
    z3_NC = layers.affine_forward(a2_NH, w2_HC, b2_C)
    data_loss, p_NC = layers.softmax_cross_entropy_forward(z3_NC, labels)
    loss = data_loss + (layers.l2_penalty_forward(regularization, w1_DH, w2_HC) if regularization else 0)

    dz3_NC = layers.softmax_cross_entropy_backward(p_NC, labels).to(z3_NC.dtype)
    dw2_HC, db2_C = layers.affine_backward_parameters(dz3_NC, a2_NH)
    da2_NH = layers.affine_backward_input(dz3_NC, w2_HC)
    dz2_NH = layers.relu_backward(da2_NH, a2_NH, out=da2_NH)
    dw1_DH, db1_H = layers.affine_backward_parameters(dz2_NH, inputs)
    if regularization:  # without a penalty the weights need not be read once more
        dw1_DH = layers.l2_penalty_backward(dw1_DH, regularization, w1_DH, out=dw1_DH)
        dw2_HC = layers.l2_penalty_backward(dw2_HC, regularization, w2_HC, out=dw2_HC)
    return loss.to(z3_NC.dtype), Gradients(dw1_DH, db1_H, dw2_HC, db2_C)


@torch.no_grad()
def sgd_step(parameters: Parameters, gradients: Gradients, learning_rate: float) -> Parameters:
    """One step down the gradient, ``w - learning_rate * dw``; the parameters given stay as they are.

    Raises:
        ValueError: When a gradient's shape, dtype or device is not its parameter's.
    """
    check_same_shapes(parameters, gradients)
    return Parameters(
        *(w.sub(dw, alpha=learning_rate) for w, dw in zip(parameters, gradients, strict=True)),
    )


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
    """Stochastic gradient descent, one step for every batch.

    Args:
        parameters: Where to start; they stay as they are.
        inputs: ``(N, D)``, the whole training set.
        labels: ``(N,)``, int64.
        batches: For every step the indices in [0, N) of its examples; repeats are allowed.
        learning_rate: Of the first step.
        decay: What the rate is multiplied by after every ``decay_every`` steps.
        decay_every: Steps from one decay to the next, at least 1.
        regularization: As in :func:`loss_and_gradients`.

    Returns:
        The trained parameters, and of every step the loss before its update.

    Raises:
        ValueError: For an argument that is none of the above, naming it.
    """
    check_problem(parameters, inputs, labels)
    check_labels(labels, parameters.b2.shape[0])
    check_schedule(learning_rate, decay, decay_every)
    losses: list[Tensor] = []
    for step, batch in enumerate(batches, start=1):
        rows = torch.as_tensor(batch, device=inputs.device)
        check_batch(rows, step, len(inputs))
        loss, gradients = loss_and_gradients(parameters, inputs[rows], labels[rows], regularization)
        parameters = sgd_step(parameters, gradients, learning_rate)
        losses.append(loss)
        if step % decay_every == 0:
            learning_rate *= decay
    return parameters, torch.stack(losses).tolist() if losses else []  # one wait for the device, at the end
