"""An affine map whose training steps use the CPU's faster float32 matmuls."""

import functools
from typing import Any

import torch
from torch import Tensor, nn

from cifar_mlp.common.provenance import cpu_vendor

WORTHWHILE = 2**14  # weights; below, starting a matmul takes longer than computing it


class Affine(nn.Linear):
    """``nn.Linear``, with oneDNN's float32 matmuls in training steps where they are the faster ones.

    PyTorch takes float32 matmuls from MKL, which on AMD's CPUs leaves half of their AVX-512 units' rate unused;
    oneDNN, which comes with PyTorch too, does not. Both add the same terms, in another order. Evaluation,
    autocast, compilation and everything off the CPU are ``nn.Linear``'s own.
    """

    def forward(self, x_BI: Tensor) -> Tensor:
        """Map ``(B, I)`` to ``(B, O)``."""
        if self._gains(x_BI):
            y_BO: Tensor = Matmul.apply(x_BI, self.weight, self.bias)
            return y_BO
        return super().forward(x_BI)

    def _gains(self, x_BI: Tensor) -> bool:
        return (
            self.training
            and x_BI.ndim == 2
            and x_BI.device.type == self.weight.device.type == "cpu"
            and x_BI.dtype == self.weight.dtype == torch.float32
            and self.weight.numel() >= WORTHWHILE
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
            and onednn_is_faster()
        )


class Matmul(torch.autograd.Function):
    """``a b^T + c``, float32 on the CPU, by oneDNN; transposed views are read where they lie.

    Its gradients are matmuls too, so it can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, a_BI: Tensor, b_OI: Tensor, c_O: Tensor | None) -> Tensor:
        """``a (B, I)``, ``b (O, I)`` and ``c (O,)`` or ``None`` give ``(B, O)``."""
        ctx.save_for_backward(a_BI, b_OI)
        return onednn_matmul(a_BI, b_OI, c_O)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Gradients with respect to ``a``, ``b`` and ``c``, those that are asked for."""
        (d_BO,) = gradients
        a_BI, b_OI = ctx.saved_tensors
        for_a, for_b, for_c = ctx.needs_input_grad
        return (
            Matmul.apply(d_BO, b_OI.T, None) if for_a else None,
            Matmul.apply(d_BO.T, a_BI.T, None) if for_b else None,
            d_BO.sum(0) if for_c else None,
        )


@functools.cache
def onednn_is_faster() -> bool:
    """Whether this is an AMD CPU with AVX-512, and oneDNN's matmuls here are float32's."""
    if cpu_vendor() != "AuthenticAMD" or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    generator = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(size, generator=generator) for size in ((48, 96), (80, 96), (80,)))
    try:
        found = onednn_matmul(a, b, c)
    except (AttributeError, RuntimeError):  # the operator is not part of PyTorch's documented interface
        return False
    exact = a.double() @ b.double().T + c.double()
    return bool((found - exact).norm() <= 1e-6 * exact.norm())


def onednn_matmul(a_BI: Tensor, b_OI: Tensor, c_O: Tensor | None = None) -> Tensor:
    """``a b^T + c`` by oneDNN, on the CPU."""
    y_BO: Tensor = torch.ops.mkldnn._linear_pointwise(a_BI, b_OI, c_O, "none", [], "")
    return y_BO
