"""Forward and backward of every layer, value and derivative side by side: the formulas and nothing else.

``x`` is a layer's input, ``y`` its output, ``dx`` and ``dy`` the gradients of the loss in them. Every function is
pure and never builds an autograd graph; where ``out`` is given the answer is written there, as in PyTorch's own
operations, and ``out`` may be an input that nobody needs any more.

Sums over many terms are taken in float32 when the tensors are of half precision.
docs/derivation.md derives each line.
"""

import torch
from torch import Tensor

# Shape legend: N = examples, I = input features, O = output features, C = classes


@torch.no_grad()
def affine_forward(x_NI: Tensor, w_IO: Tensor, b_O: Tensor) -> Tensor:
    """``y (N, O)``: y = x w + b."""
    return torch.addmm(b_O, x_NI, w_IO)


@torch.no_grad()
def affine_backward_input(dy_NO: Tensor, w_IO: Tensor) -> Tensor:
    """``dx (N, I)``: dx = dy w^T."""
    return dy_NO @ w_IO.T


@torch.no_grad()
def affine_backward_parameters(dy_NO: Tensor, x_NI: Tensor) -> tuple[Tensor, Tensor]:
    """``dw (I, O)`` and ``db (O,)``: dw = x^T dy; the bias is shared by all examples, so db sums over them."""
    return x_NI.T @ dy_NO, dy_NO.sum(0)


@torch.no_grad()
def relu_forward(x: Tensor, out: Tensor | None = None) -> Tensor:
    """y = max(0, x), of any shape."""
    return torch.clamp(x, min=0, out=out)


@torch.no_grad()
def relu_backward(dy: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
    """dx = dy [x > 0]: at the kink, x = 0, the subgradient chosen is 0, as PyTorch's. ``x`` may as well be y."""
    return torch.mul(dy, x > 0, out=out)


@torch.no_grad()
def softmax_cross_entropy_forward(scores_NC: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of -log softmax(scores) at the labels, ``()``, and the softmax ``(N, C)``; both at least float32.

    Softmax does not change when a row is shifted. Shifted by its maximum, every exponent is at most 0, so nothing
    overflows, and one of them is 0, so the sum under the logarithm is at least 1.
    """
    shifted_NC = scores_NC.to(torch.promote_types(scores_NC.dtype, torch.float32))
    shifted_NC = shifted_NC - shifted_NC.amax(1, keepdim=True)
    exp_NC = shifted_NC.exp()
    sum_N1 = exp_NC.sum(1, keepdim=True)
    loss_N1 = sum_N1.log() - shifted_NC.gather(
        1, labels_N[:, None]
    )  # -log(exp / sum), never through exp / sum
    return loss_N1.mean(), exp_NC.div_(sum_N1)


@torch.no_grad()
def softmax_cross_entropy_backward(p_NC: Tensor, labels_N: Tensor) -> Tensor:
    """``dscores (N, C)`` = (p - onehot(labels)) / N."""
    minus_one_N1 = p_NC.new_full((1, 1), -1.0).expand(len(labels_N), 1)
    return p_NC.scatter_add(1, labels_N[:, None], minus_one_N1).div_(len(labels_N))


@torch.no_grad()
def l2_penalty_forward(regularization: float, *weights_IO: Tensor) -> Tensor:
    """lambda * sum ||w||_F^2, ``()``, at least float32; no factor 1/2.

    Squares are summed row by row: one running float32 sum over the six million of a 3072 x 2048 matrix is off by
    3e-4. A row is whatever lies together in memory, so that a transposed view costs no more.
    """
    dtype = torch.promote_types(weights_IO[0].dtype, torch.float32)
    norms = [torch.linalg.vector_norm(w, dim=int(w.stride(1) == 1), dtype=dtype) for w in weights_IO]
    return regularization * torch.stack([norm.square().sum() for norm in norms]).sum()


@torch.no_grad()
def l2_penalty_backward(
    dw_IO: Tensor, regularization: float, w_IO: Tensor, out: Tensor | None = None
) -> Tensor:
    """The penalty's own gradient added to what the data gave: dw + 2 lambda w."""
    return torch.add(dw_IO, w_IO, alpha=2 * regularization, out=out)
