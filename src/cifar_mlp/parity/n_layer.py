"""The gradients of a network of any depth by hand: forward in reading order, then the steps in reverse."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.network import EPSILON, Affine, HiddenLayer, Network, Normalization
from cifar_mlp.parity.network_validation import check_network
from cifar_mlp.parity.plain import plain
from cifar_mlp.parity.validation import check_labels, check_regularization

# Shape legend: N = examples, I = input features of a layer, O = its output features, C = classes


class Standardized(NamedTuple):
    """What the backward pass of a normalization needs to know of its forward pass."""

    xhat: Tensor
    """``(N, O)``, before scale and shift."""
    inverse_std: Tensor
    dim: int | None
    """What the moments were taken over: 0 examples, 1 features, ``None`` when they were the running ones."""


class Record(NamedTuple):
    """What the backward pass of a hidden layer needs to know of its forward pass."""

    x: Tensor
    """``(N, I)``, the layer's input."""
    standardized: Standardized | None
    z: Tensor
    """``(N, O)``, the activation's input."""
    kept: Tensor | None


class Passes(NamedTuple):
    """What one forward and one backward pass give."""

    loss: Tensor
    """``()``, mean cross-entropy plus L2 penalty."""
    gradients: dict[str, Tensor]
    """Of every parameter, named as in ``MLP.named_parameters()``."""
    scores: Tensor
    """``(N, C)``, the logits, before softmax."""


def loss_and_gradients(
    network: Network,
    inputs: Tensor,
    labels: Tensor,
    regularization: float = 0.0,
    *,
    training: bool = True,
    kept: Sequence[Tensor] = (),
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and the gradients of :func:`passes`, whose arguments these are."""
    passed = passes(network, inputs, labels, regularization, training=training, kept=kept)
    return passed.loss, passed.gradients


@plain
def passes(
    network: Network,
    inputs: Tensor,
    labels: Tensor,
    regularization: float = 0.0,
    *,
    training: bool = True,
    kept: Sequence[Tensor] = (),
) -> Passes:
    """The loss, its gradient in every parameter, and the scores; the input's own gradient is never computed.

    Args:
        network: The tensors, see :class:`Network`. Running moments are read in evaluation, never updated.
        inputs: ``(N, D)``, dtype and device of the network.
        labels: ``(N,)``, int64, each in [0, C).
        regularization: lambda in lambda * (sum of ||weight||_F^2 over the affine maps).
        training: Batch normalization by the batch's moments, and dropout; else running moments, no dropout.
        kept: For every hidden layer the boolean mask ``(N, O)`` of the units that dropout keeps; needed when
            training a network with dropout, and only then.

    Raises:
        ValueError: For an argument that is none of the above, naming it.
    """
    check_network(network, inputs, labels, training, kept)
    check_labels(labels, network.output.bias.shape[0])
    check_regularization(regularization)
    activation_forward = getattr(layers, f"{network.activation}_forward")
    activation_backward = getattr(layers, f"{network.activation}_backward")
    affines = [*(layer.affine for layer in network.hidden), network.output]
    masks: Sequence[Tensor | None] = kept or [None] * len(network.hidden)

    records: list[Record] = []
    x_NI = inputs
    for layer, kept_NO in zip(network.hidden, masks, strict=True):
        z_NO = layers.affine_forward(x_NI, layer.affine.weight.T, layer.affine.bias)
        z_NO, standardized = _normalization_forward(layer.normalization, z_NO, training)
        records.append(Record(x_NI, standardized, z_NO, kept_NO))
        x_NI = activation_forward(z_NO)
        if kept_NO is not None:
            x_NI = layers.dropout_forward(x_NI, kept_NO, network.dropout)
    scores_NC = layers.affine_forward(x_NI, network.output.weight.T, network.output.bias)
    data_loss, p_NC = layers.softmax_cross_entropy_forward(scores_NC, labels)
    loss = data_loss + layers.l2_penalty_forward(regularization, *(affine.weight for affine in affines))

    dz_NO = layers.softmax_cross_entropy_backward(p_NC, labels).to(scores_NC.dtype)
    doutput = _affine_backward(dz_NO, x_NI, network.output, regularization)
    dhidden: list[HiddenLayer] = []
    above = network.output
    for layer, record in zip(reversed(network.hidden), reversed(records), strict=True):
        dy_NO = layers.affine_backward_input(dz_NO, above.weight.T)
        if record.kept is not None:
            dy_NO = layers.dropout_backward(dy_NO, record.kept, network.dropout)
        dz_NO = activation_backward(dy_NO, record.z)
        dz_NO, dnormalization = _normalization_backward(layer.normalization, dz_NO, record.standardized)
        daffine = _affine_backward(dz_NO, record.x, layer.affine, regularization)
        dhidden.append(HiddenLayer(daffine, dnormalization))
        above = layer.affine
    gradients = Network(tuple(reversed(dhidden)), doutput)
    return Passes(loss.to(scores_NC.dtype), dict(gradients.named_tensors()), scores_NC)


def _normalization_forward(
    normalization: Normalization | None, x_NO: Tensor, training: bool
) -> tuple[Tensor, Standardized | None]:
    if normalization is None:
        return x_NO, None
    scale_O, shift_O, mean_O, variance_O = normalization
    if mean_O is not None and variance_O is not None and not training:
        dim = None
        xhat_NO, inverse_std = layers.running_standardize_forward(x_NO, mean_O, variance_O, EPSILON)
    else:
        dim = 1 if mean_O is None else 0
        xhat_NO, inverse_std = layers.standardize_forward(x_NO, dim, EPSILON)
    y_NO = layers.scale_shift_forward(xhat_NO, scale_O, shift_O)
    return y_NO, Standardized(xhat_NO, inverse_std, dim)


def _normalization_backward(
    normalization: Normalization | None, dy_NO: Tensor, standardized: Standardized | None
) -> tuple[Tensor, Normalization | None]:
    if normalization is None or standardized is None:
        return dy_NO, None
    xhat_NO, inverse_std, dim = standardized
    dxhat_NO, dscale_O, dshift_O = layers.scale_shift_backward(dy_NO, xhat_NO, normalization.weight)
    if dim is None:
        dx_NO = layers.running_standardize_backward(dxhat_NO, inverse_std)
    else:
        dx_NO = layers.standardize_backward(dxhat_NO, xhat_NO, inverse_std, dim)
    return dx_NO.to(dy_NO.dtype), Normalization(dscale_O, dshift_O)


def _affine_backward(dy_NO: Tensor, x_NI: Tensor, affine: Affine, regularization: float) -> Affine:
    dweight_IO, dbias_O = layers.affine_backward_parameters(dy_NO, x_NI)
    return Affine(layers.l2_penalty_backward(dweight_IO.T, regularization, affine.weight), dbias_O)
