"""Fit PCA on byte images, exactly: the moments of integers are integers."""

from typing import Literal, NamedTuple

import scipy.linalg
import torch
from torch import Tensor

# Shape legend: N = images, D = pixels, K = principal components

Solver = Literal["exact", "sklearn"]
CHUNK = 4096  # images at a time: int8 copies of a chunk stay small beside the D x D moments


class Fit(NamedTuple):
    """A fitted PCA in float64: ``mean (D,)``, ``components (K, D)`` and ``explained_variance (K,)``."""

    mean: Tensor
    components: Tensor
    explained_variance: Tensor


def fit(pixels_ND: Tensor, shift_D: Tensor, scale_D: Tensor, n_components: int, solver: Solver) -> Fit:
    """The leading principal components of ``(pixels - shift) * scale``.

    Args:
        pixels_ND: uint8 images, one a row.
        shift_D: float64, subtracted from each pixel.
        scale_D: float64, what the difference is multiplied by.
        n_components: Components wanted, K, at most min(N, D).
        solver: ``exact`` forms the covariance from exact integer moments. ``sklearn`` is scikit-learn's
            ``PCA(svd_solver="covariance_eigh")`` in float64: the same numbers to rounding, slower, and needing
            N x D doubles.

    Returns:
        The fit, on the pixels' device.
    """
    if solver == "sklearn":
        return _fit_sklearn(pixels_ND, shift_D, scale_D, n_components)
    mean_D, covariance_DD = moments(pixels_ND)
    covariance_DD *= scale_D[:, None] * scale_D
    variance_K, components_KD = _leading_eigenpairs(covariance_DD, n_components)
    return Fit((mean_D - shift_D) * scale_D, _fix_signs(components_KD), variance_K.clamp_(min=0.0))


def moments(pixels_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and covariance ``(D, D)`` of byte pixels, float64, each entry rounded once or twice in all.

    A pixel less 128 fits a signed byte, so one chunk's second moments are an int8 x int8 -> int32 product without
    rounding (4,096 * 2**14 < 2**31), and their sum over chunks is exact in int64. So is N * sum(x y) - sum(x) sum(y),
    below 2**63 for N up to 2**24. Only the division by N (N - 1) rounds.
    """
    num_images, num_pixels = pixels_ND.shape
    second_DD = torch.zeros(num_pixels, num_pixels, dtype=torch.int64, device=pixels_ND.device)
    first_D = torch.zeros(num_pixels, dtype=torch.int64, device=pixels_ND.device)
    for chunk_ND in pixels_ND.split(CHUNK):
        centred_ND = (chunk_ND ^ 128).view(torch.int8)  # flipping the top bit of a byte subtracts 128
        second_DD += _gram(centred_ND)
        first_D += centred_ND.sum(0, dtype=torch.int64)
    scatter_DD = second_DD.mul_(num_images).sub_(first_D[:, None] * first_D)
    return first_D.double() / num_images + 128, scatter_DD.double().div_(num_images * (num_images - 1))


def _gram(x_ND: Tensor) -> Tensor:
    """x^T x of signed bytes, int32 ``(D, D)``."""
    if x_ND.device.type == "cpu":
        return torch._int_mm(x_ND.T, x_ND)
    # cuBLAS wants sides of a multiple of 8; rows and columns of zeros add nothing
    num_images, num_pixels = x_ND.shape
    padded_ND = torch.nn.functional.pad(x_ND, (0, -num_pixels % 8, 0, max(-num_images % 8, 24 - num_images)))
    return torch._int_mm(padded_ND.T.contiguous(), padded_ND)[:num_pixels, :num_pixels]


def _leading_eigenpairs(covariance_DD: Tensor, n_components: int) -> tuple[Tensor, Tensor]:
    num_pixels = len(covariance_DD)
    if covariance_DD.device.type == "cpu":
        leading = (num_pixels - n_components, num_pixels - 1)
        variances, vectors = scipy.linalg.eigh(covariance_DD.numpy(), subset_by_index=leading, overwrite_a=True)
        variance_K, vectors_DK = torch.from_numpy(variances), torch.from_numpy(vectors)
    else:
        variance_D, vectors_DD = torch.linalg.eigh(covariance_DD)
        variance_K, vectors_DK = variance_D[-n_components:], vectors_DD[:, -n_components:]
    return variance_K.flip(0), vectors_DK.T.flip(0)


def _fix_signs(components_KD: Tensor) -> Tensor:
    largest_K = components_KD.abs().argmax(1, keepdim=True)
    return components_KD * components_KD.gather(1, largest_K).sign()


def _fit_sklearn(pixels_ND: Tensor, shift_D: Tensor, scale_D: Tensor, n_components: int) -> Fit:
    from sklearn.decomposition import PCA

    inputs_ND = pixels_ND.cpu().double().sub_(shift_D.cpu()).mul_(scale_D.cpu()).numpy()
    witness = PCA(n_components, svd_solver="covariance_eigh", copy=False).fit(inputs_ND)
    arrays = (witness.mean_, witness.components_, witness.explained_variance_)
    return Fit(*(torch.from_numpy(array).to(pixels_ND.device) for array in arrays))
