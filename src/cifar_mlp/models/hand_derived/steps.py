"""The training loss with its hand-derived gradients, for a loop that takes them and for autograd's engine."""

from typing import Any

import torch
from torch import Tensor

from cifar_mlp.models.hand_derived.flat import FlatParameters, FlatTensor, same_memory
from cifar_mlp.models.hand_derived.kernels import Kernels
from cifar_mlp.models.hand_derived.matmuls import MatmulChoice
from cifar_mlp.models.mlp import MLP
from cifar_mlp.parity import layers, n_layer
from cifar_mlp.parity.network import AffineTensors, Network, read_module

BATCH_SIZES = 4  # for which buffers are kept


def rounds_to_bfloat16(kind: str) -> bool:
    """Whether autocast is on for this kind of device, to bfloat16."""
    return torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.bfloat16


class HandDerivedSteps:
    """Computes loss and gradients of a network by the formulas of ``cifar_mlp.parity``.

    The matmuls run in the parameters' dtype; under bfloat16 autocast in bfloat16, as autograd's would.

    Args:
        network: What is trained.
        label_smoothing: Share of each target spread evenly over the classes.
        regularization: Factor of the sum of squared weights.
        matmuls: Which library multiplies.
        flat: The network's parameters in one tensor, if they are.

    Attributes:
        gradients: Of the last step, in the order of ``network.parameters()``; the next step overwrites them.
    """

    def __init__(
        self,
        network: MLP,
        label_smoothing: float,
        regularization: float,
        matmuls: MatmulChoice,
        flat: FlatParameters | None = None,
    ) -> None:
        self.network, self.matmuls, self.flat = network, matmuls, flat
        self._smoothing, self._regularization = label_smoothing, regularization
        self._prepare()

    def _prepare(self) -> None:
        self._parameters = list(self.network.parameters())
        self._seen = [parameter.detach() for parameter in self._parameters]
        self._exact = read_module(self.network)
        self._gradients = FlatTensor(self._parameters)
        self.gradients = self._gradients.pieces
        self._half: FlatTensor | None = None
        self._half_gradients: FlatTensor | None = None
        self._kernels: dict[tuple[int, bool], tuple[Kernels, Network]] = {}
        self._counters = [
            module.num_batches_tracked for module in self.network.modules()
            if isinstance(module, torch.nn.BatchNorm1d) and module.num_batches_tracked is not None
        ]  # fmt: skip

    def __call__(self, features_ND: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss ``()`` and logits ``(N, classes)`` of a batch; the gradients are in :attr:`gradients`.

        Args:
            features_ND: ``(N, in_features)``.
            labels: int64 ``(N,)``, or the probability of each class, ``(N, classes)``.
        """
        if not same_memory(self._parameters, self._seen):
            self._prepare()  # the network was moved
        kind = features_ND.device.type
        half = rounds_to_bfloat16(kind)
        with torch.no_grad(), torch.autocast(kind, enabled=False):
            return self._step(features_ND, labels, half)

    def _step(self, features_ND: Tensor, labels: Tensor, half: bool) -> tuple[Tensor, Tensor]:
        kernels, network = self._prepared(len(features_ND), half)
        inputs_ND = features_ND.to(network.output.weight.dtype)
        if half:
            self._round_parameters()
        loss, gradients, logits_NC, _ = n_layer.forward_and_backward(
            network, inputs_ND, labels, 0.0, kernels, kept=kernels.masks()
        )
        if self._half_gradients is not None and half:
            self._gradients.whole.copy_(self._half_gradients.whole)
        self._keep_normalizations(gradients)
        if self._regularization:
            weights = [affine.weight for affine in self._exact.affines]
            loss = loss + layers.l2_penalty_forward(self._regularization, *weights)
            for parameter, gradient in zip(self._parameters, self.gradients, strict=True):
                if gradient.dim() == 2:
                    layers.l2_penalty_backward(gradient, self._regularization, parameter.detach(), out=gradient)
        for counter in self._counters:
            counter.add_(1)
        return loss, logits_NC

    def _prepared(self, num_images: int, half: bool) -> tuple[Kernels, Network]:
        found = self._kernels.get((num_images, half))
        if found is None:
            network, gradients = self._exact, self._gradients
            if half:
                self._half = self._half or FlatTensor(self._parameters, torch.bfloat16)
                self._half_gradients = self._half_gradients or FlatTensor(self._parameters, torch.bfloat16)
                network, gradients = _rounded(self._exact, self._half.pieces), self._half_gradients
            names = [name for name, _ in self.network.named_parameters()]
            named = dict(zip(names, gradients.pieces, strict=True))
            if len(self._kernels) == BATCH_SIZES:
                self._kernels.clear()
            found = Kernels(network, named, num_images, self._smoothing, self.matmuls), network
            self._kernels[num_images, half] = found
        return found

    def _round_parameters(self) -> None:
        assert self._half is not None
        if self.flat is not None and self.flat.in_place:
            self._half.whole.copy_(self.flat.parameter)
        else:
            for piece, parameter in zip(self._half.pieces, self._parameters, strict=True):
                piece.copy_(parameter)

    def _keep_normalizations(self, gradients: dict[str, Tensor]) -> None:
        if any(layer.normalization is not None for layer in self._exact.hidden):
            for (name, _), kept in zip(self._exact.named_tensors(), self.gradients, strict=True):
                if "normalization" in name:
                    kept.copy_(gradients[name])

    def any_frozen(self) -> bool:
        """Whether a parameter is not to be trained; asked at each step, so nothing is looked up."""
        return not all(parameter.requires_grad for parameter in self._parameters)

    def deliver(self, scale: float = 1.0) -> None:
        """Hand the gradients to the parameters, or add them where a former batch's are kept.

        Args:
            scale: What the loss was multiplied by.
        """
        assert self.flat is not None
        kept = self.flat.parameter.grad
        if kept is not None:
            kept.add_(self._gradients.whole, alpha=scale)
        elif scale != 1.0:  # others follow, and overwrite the buffer
            whole = self._gradients.whole * scale
            self.flat.take_gradient(whole, self._gradients.cut(whole))
        else:
            self.flat.take_gradient(self._gradients.whole, self.gradients)


class HandDerivedLoss(torch.autograd.Function):
    """The same as a loss on which ``backward`` can be called.

    Autograd derives nothing here: ``forward`` computes every gradient, ``backward`` hands them to the parameters. So
    several devices, a loss scaler and anybody's own loop work as they do with autograd's gradients.
    """

    @staticmethod
    def forward(ctx: Any, steps: HandDerivedSteps, inputs: Tensor, labels: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
        """Loss ``()`` and logits ``(N, C)``; the parameters follow as further arguments, in their order."""
        loss, logits = steps(inputs, labels)
        ctx.gradients = [gradient.clone() for gradient in steps.gradients]
        ctx.mark_non_differentiable(logits)
        return loss, logits

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The parameters' gradients times the loss's own (not 1 where it is scaled or accumulated)."""
        return (*[None] * 3, *(gradients[0] * gradient for gradient in ctx.gradients))


def _rounded(network: Network, pieces: list[Tensor]) -> Network:
    """The network with its affine maps in bfloat16; normalizations keep their own."""
    named = dict(zip((name for name, _ in network.named_tensors()), pieces, strict=True))
    names = dict(zip(map(id, network.affines), network.affine_names, strict=True))

    def rounded(affine: AffineTensors) -> AffineTensors:
        return AffineTensors(*(named[f"{names[id(affine)]}.{part}"] for part in ("weight", "bias")))

    hidden = tuple(
        layer._replace(affine=rounded(layer.affine), exit=None if layer.exit is None else rounded(layer.exit))
        for layer in network.hidden
    )
    return network._replace(hidden=hidden, output=rounded(network.output))
