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


def fit(
    pixels_ND: Tensor,
    shift_D: Tensor,
    scale_D: Tensor,
    n_components: int,
    solver: Solver,
    mirror_D: Tensor | None = None,
) -> Fit:
    """The leading principal components of ``(pixels - shift) * scale``.

    Args:
        pixels_ND: uint8 images, one a row; ``exact`` works where they are, on the CPU or an NVIDIA GPU.
        shift_D: float64, subtracted from each pixel.
        scale_D: float64, what the difference is multiplied by.
        n_components: Components wanted, K, at most min(N, D).
        solver: ``exact`` forms the covariance from exact integer moments. ``sklearn`` is scikit-learn's
            ``PCA(svd_solver="covariance_eigh")`` in float64: the same numbers to rounding, slower, and needing
            N x D doubles.
        mirror_D: If given, the images whose pixel d is pixel ``mirror_D[d]`` count too; ``shift_D`` and ``scale_D``
            must then be the same for both pixels.

    Returns:
        The fit, on the CPU.
    """
    if solver == "sklearn":
        pixels_ND = pixels_ND.cpu()
        both = pixels_ND if mirror_D is None else torch.cat([pixels_ND, pixels_ND[:, mirror_D]])
        return _fit_sklearn(both, shift_D, scale_D, n_components)
    mean_D, covariance_DD = moments(pixels_ND, mirror_D)
    covariance_DD *= (scale_D[:, None] * scale_D).to(covariance_DD.device)
    if mirror_D is None:
        found = leading_components(mean_D, covariance_DD, n_components)
    else:
        found = even_and_odd_components(mean_D, covariance_DD, n_components, mirror_D)
    return found._replace(mean=(found.mean - shift_D) * scale_D)


def leading_components(mean_D: Tensor, covariance_DD: Tensor, n_components: int) -> Fit:
    """The leading eigenpairs of a float64 covariance, which is overwritten; the result is on the CPU."""
    eigenpairs = _leading_eigenpairs if covariance_DD.device.type == "cpu" else _leading_of_all_eigenpairs
    variance_K, components_KD = (tensor.cpu() for tensor in eigenpairs(covariance_DD, n_components))
    return Fit(mean_D.cpu(), _fix_signs(components_KD), variance_K.clamp_(min=0.0))


def even_and_odd_components(mean_D: Tensor, covariance_DD: Tensor, n_components: int, mirror_D: Tensor) -> Fit:
    """The same for a covariance that exchanging each pixel with its mirror image leaves as it is.

    Its eigenvectors are even (the mirror image of the vector is the vector) or odd (it is minus the vector), so two
    problems of half the size have them all. A flipped image then has the same even components and minus the odd ones.
    """
    mirror_D = mirror_D.to(covariance_DD.device)
    places_D = torch.arange(len(mirror_D), device=mirror_D.device)
    variances, components = [], []
    for sign in (1, -1):
        kept_H = places_D[places_D <= mirror_D if sign > 0 else places_D < mirror_D]
        if len(kept_H) == 0:  # images of one column have no odd part
            continue
        other_H = mirror_D[kept_H]
        # Basis vectors (e_kept + sign e_other) / sqrt(2), and e_kept in the middle column, where both are one pixel
        length_H = (kept_H == other_H).double().sub_(2).neg_().div_(4).sqrt_()  # sqrt(1/2), in the middle 1/2
        rows_HD = length_H[:, None] * (covariance_DD[kept_H] + sign * covariance_DD[other_H])
        half_HH = length_H * (rows_HD[:, kept_H] + sign * rows_HD[:, other_H])
        half = leading_components(mean_D, half_HH, min(n_components, len(kept_H)))
        coordinates_KH = half.components * length_H.cpu()
        vectors_KD = torch.zeros(len(coordinates_KH), len(mirror_D), dtype=torch.float64)
        vectors_KD[:, kept_H.cpu()] += coordinates_KH
        vectors_KD[:, other_H.cpu()] += sign * coordinates_KH
        variances.append(half.explained_variance)
        components.append(vectors_KD)
    variance_K, order_K = torch.cat(variances).sort(descending=True, stable=True)
    leading_K = order_K[:n_components]
    return Fit(mean_D.cpu(), _fix_signs(torch.cat(components)[leading_K]), variance_K[:n_components])


def float_moments(x_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and covariance ``(D, D)`` of floats, in float64."""
    centred_ND = x_ND.double()
    mean_D = centred_ND.mean(0)
    centred_ND = centred_ND - mean_D
    return mean_D, centred_ND.T @ centred_ND / (len(x_ND) - 1)


def moments(pixels_ND: Tensor, mirror_D: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)`` and covariance ``(D, D)`` of byte pixels, float64, each entry rounded once or twice in all.

    A pixel minus 128 fits a signed byte, so one chunk's second moments are an int8 x int8 -> int32 matmul without
    rounding (4,096 * 2**14 < 2**31), and their sum over chunks is exact in int64. So is N * sum(x y) - sum(x) sum(y),
    below 2**63 for N up to 2**24. Only the division by N (N - 1) rounds. Where the CPU's int8 matmuls
    saturate, and on a GPU, smaller chunks in float32 give the same integers (in TF32 too, which holds signed bytes).
    The sums over mirror images are those over the images with their pixels exchanged.
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
    if mirror_D is not None:
        mirror_D, num_images = mirror_D.to(device), 2 * num_images
        second_DD, first_D = second_DD + second_DD[mirror_D][:, mirror_D], first_D + first_D[mirror_D]
    scatter_DD = second_DD.mul_(num_images).sub_(first_D[:, None] * first_D)
    return first_D.double() / num_images + 128, scatter_DD.double().div_(num_images * (num_images - 1))


@functools.cache
def int8_products_are_exact() -> bool:
    """Whether int8 x int8 -> int32 matmuls are exact and fast on this machine.

    CPUs without VNNI add pairs of products in 16 bits and saturate silently. CPUs other than x86, and x86 without
    AVX-512, have no fast kernel: theirs takes forty times as long as float32's. So this asks, and then tries it, with
    the largest sums and with random ones.
    """
    if platform.machine() not in ("x86_64", "AMD64") or torch.backends.cpu.get_cpu_capability() != "AVX512":
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
