"""Forward and backward of every layer, value beside derivative: the formulas and nothing else.

``x`` is a layer's input and ``y`` its output; ``dx`` and ``dy`` are the gradients of the loss with respect to them.
Every function is pure and builds no autograd graph. Where ``out`` is given, the result is written there, as in
PyTorch's own operations; ``out`` may be an input that is no longer needed.

For half-precision tensors, means, variances and softmax are computed in float32.
docs/derivation.md derives each line.
"""

import math

import torch
from torch import Tensor

# Shape legend: N = examples, I = input features, O = output features, C = classes; no suffix = any shape

# ---- affine map


@torch.no_grad()
def affine_forward(x_NI: Tensor, w_IO: Tensor, b_O: Tensor) -> Tensor:
    """y (N, O) = x w + b."""
    return torch.addmm(b_O, x_NI, w_IO)


@torch.no_grad()
def affine_backward_input(dy_NO: Tensor, w_IO: Tensor) -> Tensor:
    """dx (N, I) = dy w^T."""
    return dy_NO @ w_IO.T


@torch.no_grad()
def affine_backward_parameters(dy_NO: Tensor, x_NI: Tensor) -> tuple[Tensor, Tensor]:
    """dw (I, O) = x^T dy; db (O,) = sum of dy over the examples, which share the bias."""
    return x_NI.T @ dy_NO, dy_NO.sum(0)


# ---- activations; each backward takes the input x


@torch.no_grad()
def relu_forward(x: Tensor, out: Tensor | None = None) -> Tensor:
    """y = max(0, x)."""
    return torch.clamp(x, min=0, out=out)


@torch.no_grad()
def relu_backward(dy: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
    """dx = dy [x > 0]. At x = 0 the subgradient is 0, as in PyTorch. ``y`` may be passed in place of ``x``."""
    mask = torch.gt(x, 0, out=torch.empty_like(x))  # 0.0 or 1.0: multiplying by a boolean takes three times as long
    return torch.mul(dy, mask, out=out)


@torch.no_grad()
def leaky_relu_forward(x: Tensor, slope: float = 0.01) -> Tensor:
    """y = x where x > 0, else slope x."""
    return torch.where(x > 0, x, slope * x)


@torch.no_grad()
def leaky_relu_backward(dy: Tensor, x: Tensor, slope: float = 0.01) -> Tensor:
    """dx = dy where x > 0, else slope dy (also at x = 0)."""
    return torch.where(x > 0, dy, slope * dy)


@torch.no_grad()
def gelu_forward(x: Tensor) -> Tensor:
    """y = x Phi(x), with Phi the standard normal distribution function."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


@torch.no_grad()
def gelu_backward(dy: Tensor, x: Tensor) -> Tensor:
    """dx = dy (Phi(x) + x phi(x)), with phi the standard normal density."""
    distribution = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return dy * (distribution + x * density)


@torch.no_grad()
def silu_forward(x: Tensor) -> Tensor:
    """y = x s(x), with s the logistic function."""
    return x * torch.sigmoid(x)


@torch.no_grad()
def silu_backward(dy: Tensor, x: Tensor) -> Tensor:
    """dx = dy (s + x s (1 - s))."""
    s = torch.sigmoid(x)
    return dy * (s + x * s * (1 - s))


@torch.no_grad()
def tanh_forward(x: Tensor) -> Tensor:
    """y = tanh x."""
    return torch.tanh(x)


@torch.no_grad()
def tanh_backward(dy: Tensor, x: Tensor) -> Tensor:
    """dx = dy (1 - tanh^2 x)."""
    return dy * (1 - torch.tanh(x).square())


# ---- dropout


@torch.no_grad()
def dropout_forward(x: Tensor, kept: Tensor, probability: float) -> Tensor:
    """y = x / (1 - p) where kept, else 0; ``kept`` is boolean, p the probability of dropping a unit."""
    return x * kept / (1 - probability)


@torch.no_grad()
def dropout_backward(dy: Tensor, kept: Tensor, probability: float) -> Tensor:
    """dx = dy / (1 - p) where kept, else 0: the forward map is linear and diagonal."""
    return dy * kept / (1 - probability)


# ---- residual block: what goes around it plus what comes through it


@torch.no_grad()
def residual_forward(x_NI: Tensor, inside_NI: Tensor) -> Tensor:
    """y = x + inside, where ``inside`` is what the block's layers make of x."""
    return x_NI + inside_NI


@torch.no_grad()
def residual_backward(dy_NI: Tensor, through_NI: Tensor) -> Tensor:
    """dx = dy + through, where ``through`` is the gradient of x by way of the block's layers."""
    return dy_NI + through_NI


# ---- normalization: standardize over the examples (batch) or over the features (layer), then scale and shift


@torch.no_grad()
def standardize_forward(x_NI: Tensor, dim: int, epsilon: float = 1e-5) -> tuple[Tensor, Tensor]:
    """xhat = (x - mean) r and r = 1 / sqrt(variance + epsilon); mean and biased variance over ``dim``."""
    x_NI = _at_least_float32(x_NI)
    centred_NI = x_NI - x_NI.mean(dim, keepdim=True)
    inverse_std = torch.rsqrt(centred_NI.square().mean(dim, keepdim=True) + epsilon)
    return centred_NI * inverse_std, inverse_std


@torch.no_grad()
def standardize_backward(dxhat_NI: Tensor, xhat_NI: Tensor, inverse_std: Tensor, dim: int) -> Tensor:
    """dx = r (dxhat - mean(dxhat) - xhat mean(dxhat xhat)): the parts that would change mean or variance drop out."""
    along_mean = dxhat_NI.mean(dim, keepdim=True)
    along_variance = (dxhat_NI * xhat_NI).mean(dim, keepdim=True)
    return inverse_std * (dxhat_NI - along_mean - xhat_NI * along_variance)


@torch.no_grad()
def running_standardize_forward(
    x_NI: Tensor, mean_I: Tensor, variance_I: Tensor, epsilon: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """Evaluation mode: xhat = (x - running mean) r and r (I,) = 1 / sqrt(running variance + epsilon)."""
    inverse_std_I = torch.rsqrt(_at_least_float32(variance_I) + epsilon)
    return (_at_least_float32(x_NI) - mean_I) * inverse_std_I, inverse_std_I


@torch.no_grad()
def running_standardize_backward(dxhat_NI: Tensor, inverse_std_I: Tensor) -> Tensor:
    """dx = r dxhat: the running moments do not depend on x."""
    return inverse_std_I * dxhat_NI


@torch.no_grad()
def scale_shift_forward(xhat_NI: Tensor, scale_I: Tensor, shift_I: Tensor) -> Tensor:
    """y = scale xhat + shift, in the parameters' dtype."""
    return (xhat_NI * scale_I + shift_I).to(scale_I.dtype)


@torch.no_grad()
def scale_shift_backward(dy_NI: Tensor, xhat_NI: Tensor, scale_I: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dxhat (N, I) = scale dy; dscale (I,) = sum_n dy xhat; dshift (I,) = sum_n dy."""
    dy_NI = _at_least_float32(dy_NI)
    dscale_I, dshift_I = (dy_NI * xhat_NI).sum(0), dy_NI.sum(0)
    return dy_NI * scale_I, dscale_I.to(scale_I.dtype), dshift_I.to(scale_I.dtype)


# ---- loss


@torch.no_grad()
def smoothed_targets(
    labels_N: Tensor, num_classes: int, smoothing: float, dtype: torch.dtype = torch.float32
) -> Tensor:
    """t (N, C) = (1 - s) onehot(labels) + s / C: a share s of each target is spread evenly over the classes."""
    classes_C = torch.arange(num_classes, device=labels_N.device)
    onehot_NC = (labels_N[:, None] == classes_C).to(dtype)
    return onehot_NC.mul_(1 - smoothing).add_(smoothing / num_classes)


@torch.no_grad()
def softmax_cross_entropy_forward(scores_NC: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """loss () = mean of -log softmax(scores) at the labels; p (N, C) = softmax; both at least float32.

    Labels are classes (N,), int64, or targets t (N, C), whose rows sum to 1: then loss = mean of -sum_c t log p.

    Shifting a row leaves its softmax unchanged. Shifted by its maximum, no exponent exceeds 0, so nothing overflows,
    and one exponent is 0, so the sum under the logarithm is at least 1.
    """
    scores_NC = _at_least_float32(scores_NC)
    shifted_NC = scores_NC - scores_NC.amax(1, keepdim=True)
    if labels.is_floating_point():
        at_label_N1 = (labels * shifted_NC).sum(1, keepdim=True)
    else:
        at_label_N1 = shifted_NC.gather(1, labels[:, None])
    exp_NC = shifted_NC.exp_()
    sum_N1 = exp_NC.sum(1, keepdim=True)
    loss = (sum_N1.log() - at_label_N1).mean()  # avoids log(exp / sum), whose quotient may underflow to 0
    return loss, exp_NC.div_(sum_N1)


@torch.no_grad()
def softmax_cross_entropy_backward(p_NC: Tensor, labels: Tensor) -> Tensor:
    """dscores (N, C) = (p - t) / N, where t = onehot(labels) or the targets themselves."""
    if not labels.is_floating_point():
        classes_C = torch.arange(p_NC.shape[1], device=p_NC.device)
        labels = (labels[:, None] == classes_C).to(p_NC.dtype)
    return (p_NC - labels).div_(len(labels))


@torch.no_grad()
def l2_penalty_forward(regularization: float, *weights: Tensor) -> Tensor:
    """penalty () = lambda sum ||w||_F^2, at least float32; no factor 1/2.

    Squares are summed row by row: one running float32 sum over the six million entries of a 3072 x 2048 matrix is
    off by 3e-4. A row is what is contiguous in memory, so a transposed view costs no more.
    """
    dtype = torch.promote_types(weights[0].dtype, torch.float32)
    norms = [torch.linalg.vector_norm(w, dim=int(w.stride(1) == 1), dtype=dtype) for w in weights]
    return regularization * torch.stack([norm.square().sum() for norm in norms]).sum()


@torch.no_grad()
def l2_penalty_backward(dw_IO: Tensor, regularization: float, w_IO: Tensor, out: Tensor | None = None) -> Tensor:
    """dw + 2 lambda w: adds the gradient of the penalty to that of the data loss."""
    return torch.add(dw_IO, w_IO, alpha=2 * regularization, out=out)


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
