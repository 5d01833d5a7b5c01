"""Fit PCA on byte images, exactly: the moments of integers are integers."""

import functools
import platform
from typing import Literal, NamedTuple

import scipy.linalg
import torch
from torch import Tensor

# Shape legend: N = images, D = pixels, K = principal components

Solver = Literal["exact", "sklearn"]
CHUNK = 4096  # images at a time: int8 copies of a chunk stay small beside the D x D moments
FLOAT_CHUNK = 1024  # at most: 1,024 products of 2**14 sum to 2**24, up to which float32 holds every integer


class Fit(NamedTuple):
    """A fitted PCA in float64: ``mean (D,)``, ``components (K, D)`` and ``explained_variance (K,)``."""

    mean: Tensor
    components: Tensor
    explained_variance: Tensor


def fit(pixels_ND: Tensor, shift_D: Tensor, scale_D: Tensor, n_components: int, solver: Solver) -> Fit:
    """The leading principal components of ``(pixels - shift) * scale``.

    Args:
        pixels_ND: uint8 images, one a row; ``exact`` works where they lie, on the CPU or an NVIDIA GPU.
        shift_D: float64, subtracted from each pixel.
        scale_D: float64, what the difference is multiplied by.
        n_components: Components wanted, K, at most min(N, D).
        solver: ``exact`` forms the covariance from exact integer moments. ``sklearn`` is scikit-learn's
            ``PCA(svd_solver="covariance_eigh")`` in float64: the same numbers to rounding, slower, and needing
            N x D doubles.

    Returns:
        The fit, on the CPU.
    """
    if solver == "sklearn":
        return _fit_sklearn(pixels_ND.cpu(), shift_D, scale_D, n_components)
    mean_D, covariance_DD = moments(pixels_ND)
    covariance_DD *= (scale_D[:, None] * scale_D).to(covariance_DD.device)
    found = leading_components(mean_D, covariance_DD, n_components)
    return found._replace(mean=(found.mean - shift_D) * scale_D)


def leading_components(mean_D: Tensor, covariance_DD: Tensor, n_components: int) -> Fit:
    """The leading eigenpairs of a float64 covariance, which is overwritten; the result is on the CPU."""
    eigenpairs = _leading_eigenpairs if covariance_DD.device.type == "cpu" else _leading_of_all_eigenpairs
    variance_K, components_KD = (tensor.cpu() for tensor in eigenpairs(covariance_DD, n_components))
    return Fit(mean_D.cpu(), _fix_signs(components_KD), variance_K.clamp_(min=0.0))


def float_moments(x_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and covariance ``(D, D)`` of floats, in float64."""
    centred_ND = x_ND.double()
    mean_D = centred_ND.mean(0)
    centred_ND = centred_ND - mean_D
    return mean_D, centred_ND.T @ centred_ND / (len(x_ND) - 1)


def moments(pixels_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and covariance ``(D, D)`` of byte pixels, float64, each entry rounded once or twice in all.

    A pixel minus 128 fits a signed byte, so one chunk's second moments are an int8 x int8 -> int32 matmul without
    rounding (4,096 * 2**14 < 2**31), and their sum over chunks is exact in int64. So is N * sum(x y) - sum(x) sum(y),
    below 2**63 for N up to 2**24. Only the division by N (N - 1) rounds. Where the CPU's int8 matmuls
    saturate, and on a GPU, smaller chunks in float32 give the same integers (in TF32 too, which holds signed bytes).
    """
    device = pixels_ND.device
    in_bytes = device.type == "cpu" and int8_products_are_exact()
    gram, chunk = (_gram_int8, CHUNK) if in_bytes else (_gram_float32, FLOAT_CHUNK)
    num_images, num_pixels = pixels_ND.shape
    second_DD = torch.zeros(num_pixels, num_pixels, dtype=torch.int64, device=device)
    first_D = torch.zeros(num_pixels, dtype=torch.int64, device=device)
    for chunk_ND in pixels_ND.split(chunk):
        centred_ND = (chunk_ND ^ 128).view(torch.int8)  # flipping the top bit of a byte subtracts 128
        second_DD += gram(centred_ND)
        first_D += centred_ND.sum(0, dtype=torch.int64)
    scatter_DD = second_DD.mul_(num_images).sub_(first_D[:, None] * first_D)
    return first_D.double() / num_images + 128, scatter_DD.double().div_(num_images * (num_images - 1))


@functools.cache
def int8_products_are_exact() -> bool:
    """Whether int8 x int8 -> int32 matmuls are exact and fast on this machine.

    CPUs without VNNI add pairs of products in 16 bits and saturate silently; CPUs other than x86 have no fast kernel.
    So this tries it, with the largest sums and with random ones.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    generator = torch.Generator().manual_seed(0)
    trial = torch.randint(-128, 128, (256, 128), dtype=torch.int8, generator=generator)
    trial[:, :16], trial[:, 16:32] = -128, 127
    exact = trial.T.long() @ trial.long()
    return torch.equal(_gram_int8(trial).long(), exact)


def _gram_int8(x_ND: Tensor) -> Tensor:
    """x^T x of signed bytes, int32 ``(D, D)``."""
    return torch._int_mm(x_ND.T, x_ND)


def _gram_float32(x_ND: Tensor) -> Tensor:
    """The same of at most ``FLOAT_CHUNK`` rows, int64, through float32, whose every partial sum is an integer."""
    x_ND = x_ND.float()
    return (x_ND.T @ x_ND).long()


def _leading_eigenpairs(covariance_DD: Tensor, n_components: int) -> tuple[Tensor, Tensor]:
    num_pixels = len(covariance_DD)
    leading = (num_pixels - n_components, num_pixels - 1)
    variances, vectors = scipy.linalg.eigh(covariance_DD.numpy(), subset_by_index=leading, overwrite_a=True)
    return torch.from_numpy(variances).flip(0), torch.from_numpy(vectors).T.flip(0)


def _leading_of_all_eigenpairs(covariance_DD: Tensor, n_components: int) -> tuple[Tensor, Tensor]:
    """The same on any device, where no solver for the leading ones alone exists."""
    variances, vectors = torch.linalg.eigh(covariance_DD)
    return variances[-n_components:].flip(0), vectors[:, -n_components:].T.flip(0)


def _fix_signs(components_KD: Tensor) -> Tensor:
    largest_K = components_KD.abs().argmax(1, keepdim=True)
    return components_KD * components_KD.gather(1, largest_K).sign()


def _fit_sklearn(pixels_ND: Tensor, shift_D: Tensor, scale_D: Tensor, n_components: int) -> Fit:
    from sklearn.decomposition import PCA

    inputs_ND = pixels_ND.double().sub_(shift_D).mul_(scale_D).numpy()
    witness = PCA(n_components, svd_solver="covariance_eigh", copy=False).fit(inputs_ND)
    arrays = (witness.mean_, witness.components_, witness.explained_variance_)
    return Fit(*map(torch.from_numpy, arrays))
