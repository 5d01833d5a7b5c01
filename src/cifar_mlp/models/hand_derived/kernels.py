"""The operations of a training step as few PyTorch calls, which write into buffers that are allocated once.

Each stands for formulas of ``cifar_mlp.parity.layers`` and steps aside where one of them is replaced, so that a fault
planted there is planted here too.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cifar_mlp.models.hand_derived.activations import ACTIVATION_KERNELS
from cifar_mlp.models.hand_derived.matmuls import PYTORCH, MatmulChoice, onednn
from cifar_mlp.parity import layers
from cifar_mlp.parity.network import EPSILON, AffineTensors, Network, Normalization
from cifar_mlp.parity.operations import Formulas

# Shape legend: N = examples, I = input features of a layer, O = its output features, C = classes

MOMENTUM = 0.1  # of running moments
FORMULAS = {name: function for name, function in vars(layers).items() if name.endswith(("_forward", "_backward"))}
FORMULAS |= {name: getattr(layers, name) for name in ("affine_backward_input", "affine_backward_parameters")}
aten: Any = torch.ops.aten


def stands_for(*formulas: str) -> bool:
    """Whether these formulas are those of the module, so that a kernel may stand for them."""
    return all(getattr(layers, name) is FORMULAS[name] for name in formulas)


class Moments(NamedTuple):
    """What a normalization keeps for its backward pass."""

    x: Tensor  # (N, O)
    mean: Tensor
    inverse_std: Tensor


def libraries(
    network: Network, num_images: int, dtype: torch.dtype, matmuls: MatmulChoice
) -> tuple[list[str], list[str], list[str]]:
    """By layer, which library multiplies forward, for the gradient of its input, and for that of its weight."""
    device = network.output.weight.device
    shapes = [(num_images, affine.weight.shape[0], affine.weight.shape[1]) for affine in network.affines]
    plain = network.hidden and network.hidden[0].normalization is None
    fused = ACTIVATION_KERNELS[network.activation].fused if plain else None
    return (
        [matmuls.forward(*shape, dtype, device, fused) for shape in shapes],
        [PYTORCH, *(matmuls.backward_input(*shape, dtype, device) for shape in shapes[1:])],
        [matmuls.backward_weight(*shape, dtype, device) for shape in shapes],
    )


class Kernels(Formulas):
    """Operations for batches of one size.

    Args:
        network: Its tensors, in the dtype of the matmuls; normalizations may keep float32.
        gradients: Where each parameter's gradient goes, by name.
        num_images: In a batch.
        smoothing: Share of each target spread over the classes.
        matmuls: Which library multiplies.
    """

    def __init__(
        self, network: Network, gradients: dict[str, Tensor], num_images: int, smoothing: float, matmuls: MatmulChoice
    ) -> None:
        super().__init__(network)
        weight = network.output.weight
        classes, dtype, device = len(weight), weight.dtype, weight.device
        self._smoothing, self._dtype, self._num_images = smoothing, dtype, num_images
        exact = torch.promote_types(dtype, torch.float32)
        labels = torch.arange(classes, device=device)
        self._minus_targets_CC = layers.smoothed_targets(labels, classes, smoothing, exact) / -num_images
        names = network.affine_names
        self._dweights = [gradients[f"{name}.weight"] for name in names]
        self._dbiases = [gradients[f"{name}.bias"] for name in names]
        self._is_last = len(names) - 1

        def buffers(affines: list[AffineTensors]) -> list[Tensor]:
            return [torch.empty(num_images, len(affine.bias), dtype=dtype, device=device) for affine in affines]

        self._z, self._y, self._dx = (buffers(network.affines) for _ in range(3))
        self._masks = buffers([layer.affine for layer in network.hidden])
        kernel = ACTIVATION_KERNELS[network.activation]
        self._fused = kernel.fused
        self._kernel = kernel if stands_for(f"{network.activation}_forward", f"{network.activation}_backward") else None
        self._own_forward = stands_for("affine_forward")
        self._own_input = stands_for("affine_backward_input")
        self._own_parameters = stands_for("affine_backward_parameters")
        self._own_loss = stands_for("softmax_cross_entropy_forward", "softmax_cross_entropy_backward")
        self._own_dropout = stands_for("dropout_forward", "dropout_backward")
        self._own_residual = stands_for("residual_forward", "residual_backward")
        self._own_normalization = stands_for(
            "standardize_forward", "standardize_backward", "scale_shift_forward", "scale_shift_backward"
        )
        self._forward, self._by_input, self._by_weight = libraries(network, num_images, dtype, matmuls)
        if self._kernel is not None:
            self.activation_backward = lambda dy, kept: kernel.backward(dy, kept, dy)
            self.activation_forward = lambda z: kernel.forward(z, z if kernel.from_output else torch.empty_like(z))

    def masks(self) -> list[Tensor]:
        """For each hidden layer what its units are multiplied by: 0 or 1 / (1 - p), as ``nn.Dropout`` draws it."""
        if not self.dropout:
            return []
        drawn = [mask.bernoulli_(1 - self.dropout).div_(1 - self.dropout) for mask in self._masks]
        return drawn if self._own_dropout else [mask > 0 for mask in drawn]

    def affine_forward(self, number: int, x_NI: Tensor, affine: AffineTensors) -> Tensor:
        """See :class:`Formulas`; the scores are a new tensor, since an epoch's accuracy is counted later."""
        if not self._own_forward:
            return super().affine_forward(number, x_NI, affine)
        if self._forward[number] != PYTORCH:
            return onednn(x_NI, affine.weight, affine.bias)
        out = None if number == self._is_last else self._z[number]
        return torch.addmm(affine.bias, x_NI, affine.weight.T, out=out)

    def activated_forward(self, number: int, x_NI: Tensor, affine: AffineTensors) -> tuple[Tensor, Tensor]:
        """See :class:`Formulas`."""
        kernel = self._kernel
        if kernel is None or not self._own_forward:
            return super().activated_forward(number, x_NI, affine)
        if kernel.from_output and self._forward[number] != PYTORCH:
            y_NO = onednn(x_NI, affine.weight, affine.bias, *self._fused)
            return y_NO, y_NO
        z_NO = self.affine_forward(number, x_NI, affine)
        return z_NO, kernel.forward(z_NO, z_NO if kernel.from_output else self._y[number])

    def affine_backward_input(self, number: int, dz_NO: Tensor, affine: AffineTensors) -> Tensor:
        """See :class:`Formulas`."""
        if not self._own_input:
            return super().affine_backward_input(number, dz_NO, affine)
        if self._by_input[number] != PYTORCH:
            return onednn(dz_NO, affine.weight.T)
        return torch.mm(dz_NO, affine.weight, out=self._dx[number - 1])

    def affine_backward_parameters(
        self, number: int, dz_NO: Tensor, x_NI: Tensor, affine: AffineTensors, regularization: float
    ) -> AffineTensors:
        """See :class:`Formulas`; the penalty is added to all gradients at once, later."""
        dweight_OI, dbias_O = self._dweights[number], self._dbiases[number]
        if not self._own_parameters:
            found = super().affine_backward_parameters(number, dz_NO, x_NI, affine, regularization)
            return AffineTensors(dweight_OI.copy_(found.weight), dbias_O.copy_(found.bias))
        if self._by_weight[number] != PYTORCH:
            dweight_OI.copy_(onednn(dz_NO.T, x_NI.T))
        else:
            torch.mm(dz_NO.T, x_NI, out=dweight_OI)
        return AffineTensors(dweight_OI, torch.sum(dz_NO, 0, out=dbias_O))

    def residual_forward(self, number: int, x_NO: Tensor, y_NI: Tensor, exit: AffineTensors) -> Tensor:
        """See :class:`Formulas`."""
        if not self._own_residual:
            return super().residual_forward(number, x_NO, y_NI, exit)
        return self.affine_forward(number, y_NI, exit).add_(x_NO)

    def residual_backward(self, dsum_NO: Tensor, dinside_NO: Tensor) -> Tensor:
        """See :class:`Formulas`."""
        return dinside_NO.add_(dsum_NO) if self._own_residual else super().residual_backward(dsum_NO, dinside_NO)

    def dropout_forward(self, number: int, x_NO: Tensor, kept_NO: Tensor) -> Tensor:
        """See :class:`Formulas`."""
        if not self._own_dropout:
            return super().dropout_forward(number, x_NO, kept_NO)
        return x_NO * kept_NO

    def dropout_backward(self, number: int, dy_NO: Tensor, kept_NO: Tensor) -> Tensor:
        """See :class:`Formulas`."""
        if not self._own_dropout:
            return super().dropout_backward(number, dy_NO, kept_NO)
        return dy_NO.mul_(kept_NO)

    def softmax_cross_entropy(self, scores_NC: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Formulas`; -t / N is looked up by the label, or made of the targets."""
        of_classes = not labels.is_floating_point()
        if not self._own_loss:
            if of_classes and self._smoothing:
                exact = self._minus_targets_CC.dtype
                labels = layers.smoothed_targets(labels, scores_NC.shape[1], self._smoothing, exact)
            return super().softmax_cross_entropy(scores_NC, labels)
        exact_NC = scores_NC.float() if scores_NC.dtype != self._minus_targets_CC.dtype else scores_NC
        if of_classes:
            minus_NC = self._minus_targets_CC.index_select(0, labels)
        else:
            minus_NC = labels.to(exact_NC.dtype) * (-1 / self._num_images)
        log_p_NC = torch.log_softmax(exact_NC, 1)
        loss = torch.dot(minus_NC.view(-1), log_p_NC.view(-1))
        dscores_NC = torch.add(minus_NC, log_p_NC.exp_(), alpha=1 / self._num_images)
        return loss, dscores_NC.to(scores_NC.dtype)

    def normalization_forward(
        self, number: int, x_NO: Tensor, normalization: Normalization, training: bool
    ) -> tuple[Tensor, Any]:
        """See :class:`Formulas`; running moments move as ``nn.BatchNorm1d`` moves them."""
        scale_O, shift_O, mean_O, variance_O = normalization
        if not self._own_normalization or mean_O is None:  # PyTorch's batch norm takes half precision beside float32
            x_NO = x_NO.to(scale_O.dtype)
        kept: Any
        if not self._own_normalization:
            if mean_O is not None and variance_O is not None:
                variance, mean = torch.var_mean(x_NO, 0)
                mean_O.lerp_(mean, MOMENTUM)
                variance_O.lerp_(variance, MOMENTUM)
            y_NO, kept = super().normalization_forward(number, x_NO, normalization, training)
        elif mean_O is None:
            y_NO, mean, inverse_std = torch.native_layer_norm(x_NO, scale_O.shape, scale_O, shift_O, EPSILON)
            kept = Moments(x_NO, mean, inverse_std)
        else:
            y_NO, mean, inverse_std = torch.native_batch_norm(
                x_NO, scale_O, shift_O, mean_O, variance_O, True, MOMENTUM, EPSILON
            )
            kept = Moments(x_NO, mean, inverse_std)
        return y_NO.to(self._dtype), kept

    def normalization_backward(
        self, number: int, dy_NO: Tensor, normalization: Normalization, kept: Any
    ) -> tuple[Tensor, Normalization]:
        """See :class:`Formulas`."""
        scale_O, shift_O, mean_O, variance_O = normalization
        if not self._own_normalization or mean_O is None:
            dy_NO = dy_NO.to(scale_O.dtype)
        if not self._own_normalization:
            dx_NO, gradients = super().normalization_backward(number, dy_NO, normalization, kept)
            return dx_NO.to(self._dtype), gradients
        wanted = [True] * 3
        if mean_O is None:
            found = aten.native_layer_norm_backward(
                dy_NO, kept.x, scale_O.shape, kept.mean, kept.inverse_std, scale_O, shift_O, wanted
            )
        else:
            found = aten.native_batch_norm_backward(
                dy_NO, kept.x, scale_O, mean_O, variance_O, kept.mean, kept.inverse_std, True, EPSILON, wanted
            )
        return found[0].to(self._dtype), Normalization(*found[1:])
