"""Hand-derived gradients of a network of any depth: the forward pass, then its steps in reverse."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from cifar_mlp.parity.network import HiddenLayer, Network
from cifar_mlp.parity.operations import Formulas, Standardized
from cifar_mlp.parity.validation import check_network, check_regularization
from cifar_mlp.parity.without_autograd import plain

# Shape legend: N = examples, I = input features of a layer, O = its output features, C = classes


class Record(NamedTuple):
    """What a hidden layer keeps from its forward pass for its backward pass."""

    x: Tensor  # (N, I), the layer's input
    standardized: Standardized | None
    z: Tensor  # (N, O), the activation's input, or what its backward takes instead
    kept: Tensor | None
    y: Tensor  # (N, O), the activation's output after dropout, which an exit takes


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
        labels: ``(N,)``, int64, each in [0, C); or targets ``(N, C)``, like the inputs, whose rows sum to 1. Their
            values are not read, as in :mod:`cifar_mlp.parity.two_layer`.
        regularization: lambda in lambda * (sum of ||weight||_F^2 over the affine maps).
        training: Use the batch's moments and dropout; otherwise running moments and no dropout.
        kept: For each hidden layer the boolean mask ``(N, O)`` of the units that dropout keeps; required when
            training a network with dropout, forbidden otherwise.

    Raises:
        ValueError: For an invalid argument, naming it.
    """
    check_network(network, inputs, labels, training, kept)
    check_regularization(regularization)
    passed = forward_and_backward(network, inputs, labels, regularization, Formulas(network), training, kept)
    return passed._replace(loss=passed.loss.to(passed.scores.dtype))


def forward_and_backward(
    network: Network,
    inputs_ND: Tensor,
    labels: Tensor,
    regularization: float,
    how: Formulas,
    training: bool = True,
    kept: Sequence[Tensor] = (),
) -> Passes:
    """Both passes, unchecked: the one sequence of operations, each computed as ``how`` says; see :func:`passes`."""
    masks: Sequence[Tensor | None] = kept or [None] * len(network.hidden)
    records: list[Record] = []
    x_NI, above = inputs_ND, 0  # the number of the next affine map
    for number, (layer, kept_NO) in enumerate(zip(network.hidden, masks, strict=True)):
        standardized = None
        if layer.normalization is None:
            z_NO, y_NO = how.activated_forward(above, x_NI, layer.affine)
        else:
            z_NO = how.affine_forward(above, x_NI, layer.affine)
            z_NO, standardized = how.normalization_forward(number, z_NO, layer.normalization, training)
            y_NO = how.activation_forward(z_NO)
        if kept_NO is not None:
            y_NO = how.dropout_forward(number, y_NO, kept_NO)
        records.append(Record(x_NI, standardized, z_NO, kept_NO, y_NO))
        x_NI = y_NO if layer.exit is None else how.residual_forward(above + 1, x_NI, y_NO, layer.exit)
        above += len(layer.affines)
    scores_NC = how.affine_forward(above, x_NI, network.output)
    loss, dscores_NC = how.softmax_cross_entropy(scores_NC, labels)
    if regularization:  # without a penalty, skip reading the weights again
        loss = loss + how.penalty(regularization, *(affine.weight for affine in network.affines))

    doutput = how.affine_backward_parameters(above, dscores_NC, x_NI, network.output, regularization)
    dhidden: list[HiddenLayer] = []
    dx_NO = how.affine_backward_input(above, dscores_NC, network.output) if network.hidden else dscores_NC
    for number in reversed(range(len(network.hidden))):
        layer, record, dy_NO, dexit = network.hidden[number], records[number], dx_NO, None
        above -= len(layer.affines)
        if layer.exit is not None:
            dexit = how.affine_backward_parameters(above + 1, dx_NO, record.y, layer.exit, regularization)
            dy_NO = how.affine_backward_input(above + 1, dx_NO, layer.exit)
        if record.kept is not None:
            dy_NO = how.dropout_backward(number, dy_NO, record.kept)
        dz_NO, dnormalization = how.activation_backward(dy_NO, record.z), None
        if layer.normalization is not None and record.standardized is not None:
            dz_NO, dnormalization = how.normalization_backward(number, dz_NO, layer.normalization, record.standardized)
        daffine = how.affine_backward_parameters(above, dz_NO, record.x, layer.affine, regularization)
        dhidden.append(HiddenLayer(daffine, dnormalization, dexit))
        if number:  # nothing asks for the gradient of the inputs
            below_NO = how.affine_backward_input(above, dz_NO, layer.affine)
            dx_NO = below_NO if layer.exit is None else how.residual_backward(dx_NO, below_NO)
    gradients = dict(Network(tuple(reversed(dhidden)), doutput).named_tensors())
    return Passes(loss, gradients, scores_NC, [record.z for record in records])
