"""The training loss with its hand-derived gradients, as autograd's engine passes them on."""

from typing import Any

import torch
from torch import Tensor

from cifar_mlp.models.mlp import MLP
from cifar_mlp.parity import n_layer, network


class HandDerivedLoss(torch.autograd.Function):
    """Mean cross-entropy plus L2 penalty of an MLP, differentiated by the formulas of ``cifar_mlp.parity``.

    Autograd derives nothing here: ``forward`` computes every gradient, ``backward`` hands them to the parameters. So
    the optimizer, clipping, accumulation and several devices work as they do with autograd's gradients.
    """

    @staticmethod
    def forward(
        ctx: Any, mlp: MLP, inputs: Tensor, labels: Tensor, regularization: float, kept: list[Tensor], *_: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss ``()`` and logits ``(N, C)``.

        Args:
            ctx: Keeps the gradients.
            mlp: The network; its parameters follow as further arguments, in their order.
            inputs: ``(N, D)``, dtype and device of the network.
            labels: int64 ``(N,)``.
            regularization: lambda in lambda * (sum of ||weight||_F^2).
            kept: Dropout's mask of every hidden layer; empty without dropout.
        """
        passed = n_layer.passes(network.read_module(mlp), inputs, labels, regularization, kept=kept)
        # Contiguous: on the CPU the fused SGD step misreads a transposed view.
        ctx.gradients = [passed.gradients[name].contiguous() for name, _ in mlp.named_parameters()]
        ctx.mark_non_differentiable(passed.scores)
        return passed.loss, passed.scores

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The parameters' gradients times the loss's own (not 1 where it is scaled or accumulated)."""
        return (*[None] * 5, *(gradients[0] * gradient for gradient in ctx.gradients))
