"""Hand-derived gradients of a network of any depth: the forward pass, then its steps in reverse."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.network import EPSILON, AffineTensors, HiddenLayer, Network, Normalization
from cifar_mlp.parity.plain import plain
from cifar_mlp.parity.validation import check_network, check_regularization

# Shape legend: N = examples, I = input features of a layer, O = its output features, C = classes


class Standardized(NamedTuple):
    """What a normalization keeps from its forward pass for its backward pass."""

    xhat: Tensor  # (N, O), before scale and shift
    inverse_std: Tensor
    dim: int | None  # moments over the examples: 0, over the features: 1, running moments: None


class Record(NamedTuple):
    """What a hidden layer keeps from its forward pass for its backward pass."""

    x: Tensor  # (N, I), the layer's input
    standardized: Standardized | None
    z: Tensor  # (N, O), the activation's input
    kept: Tensor | None


class Passes(NamedTuple):
    """The results of one forward and one backward pass."""

    loss: Tensor  # (), mean cross-entropy plus L2 penalty
    gradients: dict[str, Tensor]  # of every parameter, named as in MLP.named_parameters()
    scores: Tensor  # (N, C), the logits, before softmax
    activated: list[Tensor]  # (N, O) of each hidden layer, the activation's input


def loss_and_gradients(
    network: Network,
    inputs: Tensor,
    labels: Tensor,
    regularization: float = 0.0,
    *,
    training: bool = True,
    kept: Sequence[Tensor] = (),
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and the gradients; arguments as in :func:`passes`."""
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
    """The loss, its gradient in every parameter, and the scores; the gradient in the inputs is not computed.

    Args:
        network: The tensors, see :class:`Network`. Evaluation reads the running moments; nothing updates them.
        inputs: ``(N, D)``, with the network's dtype and device.
        labels: ``(N,)``, int64, each in [0, C); their values are not read, as in :mod:`cifar_mlp.parity.two_layer`.
        regularization: lambda in lambda * (sum of ||weight||_F^2 over the affine maps).
        training: Use the batch's moments and dropout; otherwise running moments and no dropout.
        kept: For each hidden layer the boolean mask ``(N, O)`` of the units that dropout keeps; required when
            training a network with dropout, forbidden otherwise.

    Raises:
        ValueError: For an invalid argument, naming it.
    """
    check_network(network, inputs, labels, training, kept)
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
    gradients = dict(Network(tuple(reversed(dhidden)), doutput).named_tensors())
    return Passes(loss.to(scores_NC.dtype), gradients, scores_NC, [record.z for record in records])


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


def _affine_backward(dy_NO: Tensor, x_NI: Tensor, affine: AffineTensors, regularization: float) -> AffineTensors:
    dweight_IO, dbias_O = layers.affine_backward_parameters(dy_NO, x_NI)
    return AffineTensors(layers.l2_penalty_backward(dweight_IO.T, regularization, affine.weight), dbias_O)
