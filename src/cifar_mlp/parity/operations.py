"""How the passes of :mod:`cifar_mlp.parity.n_layer` compute each of their operations: here by the formulas alone."""

from typing import NamedTuple

from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.network import EPSILON, AffineTensors, Network, Normalization

# Shape legend: N = examples, I = input features of a layer, O = its output features, C = classes


class Standardized(NamedTuple):
    """What a normalization keeps from its forward pass for its backward pass."""

    xhat: Tensor  # (N, O), before scale and shift
    inverse_std: Tensor
    dim: int | None  # moments over the examples: 0, over the features: 1, running moments: None


class Formulas:
    """Every operation as :mod:`cifar_mlp.parity.layers` has it. A subclass may compute the same in another way.

    Affine maps are numbered from the input, exits and the output layer included; normalizations and dropout have the
    number of their hidden layer.

    Args:
        network: Its activation and its rate of dropout.
    """

    epsilon = EPSILON

    def __init__(self, network: Network) -> None:
        self.activation_forward = getattr(layers, f"{network.activation}_forward")
        self.activation_backward = getattr(layers, f"{network.activation}_backward")
        self.dropout = network.dropout

    def affine_forward(self, number: int, x_NI: Tensor, affine: AffineTensors) -> Tensor:
        """z (N, O)."""
        return layers.affine_forward(x_NI, affine.weight.T, affine.bias)

    def activated_forward(self, number: int, x_NI: Tensor, affine: AffineTensors) -> tuple[Tensor, Tensor]:
        """What the activation's backward takes, and y (N, O), of an affine map without normalization."""
        z_NO = self.affine_forward(number, x_NI, affine)
        return z_NO, self.activation_forward(z_NO)

    def residual_forward(self, number: int, x_NO: Tensor, y_NI: Tensor, exit: AffineTensors) -> Tensor:
        """x (N, O) plus the exit's output."""
        return layers.residual_forward(x_NO, self.affine_forward(number, y_NI, exit))

    def residual_backward(self, dsum_NO: Tensor, dinside_NO: Tensor) -> Tensor:
        """dx (N, O) of both ways, around the block and through it."""
        return layers.residual_backward(dsum_NO, dinside_NO)

    def affine_backward_input(self, number: int, dz_NO: Tensor, affine: AffineTensors) -> Tensor:
        """dx (N, I)."""
        return layers.affine_backward_input(dz_NO, affine.weight.T)

    def affine_backward_parameters(
        self, number: int, dz_NO: Tensor, x_NI: Tensor, affine: AffineTensors, regularization: float
    ) -> AffineTensors:
        """dw (O, I), with the gradient of the penalty, and db (O,)."""
        dweight_IO, dbias_O = layers.affine_backward_parameters(dz_NO, x_NI)
        return AffineTensors(layers.l2_penalty_backward(dweight_IO.T, regularization, affine.weight), dbias_O)

    def dropout_forward(self, number: int, x_NO: Tensor, kept_NO: Tensor) -> Tensor:
        """y (N, O)."""
        return layers.dropout_forward(x_NO, kept_NO, self.dropout)

    def dropout_backward(self, number: int, dy_NO: Tensor, kept_NO: Tensor) -> Tensor:
        """dx (N, O)."""
        return layers.dropout_backward(dy_NO, kept_NO, self.dropout)

    def softmax_cross_entropy(self, scores_NC: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss () of the data, and dscores (N, C)."""
        loss, p_NC = layers.softmax_cross_entropy_forward(scores_NC, labels)
        return loss, layers.softmax_cross_entropy_backward(p_NC, labels).to(scores_NC.dtype)

    def normalization_forward(
        self, number: int, x_NO: Tensor, normalization: Normalization, training: bool
    ) -> tuple[Tensor, Standardized]:
        """y (N, O), and what the backward pass needs."""
        scale_O, shift_O, mean_O, variance_O = normalization
        if mean_O is not None and variance_O is not None and not training:
            dim = None
            xhat_NO, inverse_std = layers.running_standardize_forward(x_NO, mean_O, variance_O, self.epsilon)
        else:
            dim = 1 if mean_O is None else 0
            xhat_NO, inverse_std = layers.standardize_forward(x_NO, dim, self.epsilon)
        y_NO = layers.scale_shift_forward(xhat_NO, scale_O, shift_O)
        return y_NO, Standardized(xhat_NO, inverse_std, dim)

    def normalization_backward(
        self, number: int, dy_NO: Tensor, normalization: Normalization, standardized: Standardized
    ) -> tuple[Tensor, Normalization]:
        """dx (N, O), and the gradients of scale and shift."""
        xhat_NO, inverse_std, dim = standardized
        dxhat_NO, dscale_O, dshift_O = layers.scale_shift_backward(dy_NO, xhat_NO, normalization.weight)
        if dim is None:
            dx_NO = layers.running_standardize_backward(dxhat_NO, inverse_std)
        else:
            dx_NO = layers.standardize_backward(dxhat_NO, xhat_NO, inverse_std, dim)
        return dx_NO.to(dy_NO.dtype), Normalization(dscale_O, dshift_O)

    def penalty(self, regularization: float, *weights: Tensor) -> Tensor:
        """The penalty ()."""
        return layers.l2_penalty_forward(regularization, *weights)
