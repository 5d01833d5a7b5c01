"""Principal component analysis as a module of fitted tensors."""

import math
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

from cifar_mlp.data import pca_fit

# Shape legend: N = images, D = pixels, K = principal components


class PCA(nn.Module):
    """Projection on the leading principal components.

    The fitted numbers are buffers: they follow the module to any device and into every checkpoint. ``components``
    has orthonormal rows by falling variance; the entry of largest magnitude of each row is positive (the rule of
    scikit-learn's ``svd_flip`` for rows). ``explained_variance`` counts with N - 1 degrees of freedom.

    Args:
        n_components: Components kept, K; a share in (0, 1) keeps the fewest that explain at least so much of the
            variance; ``None`` keeps min(N, D).
        whiten: Divide each projected feature by sqrt(explained_variance + epsilon).
        epsilon: Added to the variances under ``whiten``, in squared units of the inputs; it limits how much a
            component of little variance is amplified.
        in_features: Inputs per image, D; needed only to load fitted numbers into a module that was not fitted.

    Raises:
        ValueError: For an invalid number of components.
    """

    mean: Tensor
    components: Tensor
    explained_variance: Tensor

    def __init__(
        self,
        n_components: int | float | None = None,
        whiten: bool = False,
        epsilon: float = 0.0,
        in_features: int | None = None,
    ) -> None:
        super().__init__()
        self.n_components, self.whiten, self.epsilon = _checked(n_components), whiten, epsilon
        size = self.n_components if isinstance(self.n_components, int) and in_features is not None else 0
        self._keep(torch.zeros(in_features or 0), torch.zeros(size, in_features or 0), torch.ones(size))

    def fit(self, x: Any) -> "PCA":
        """Find the components.

        Args:
            x: Tensor or NumPy array, ``(N, D)`` or ``(N, ...)``. Bytes are fitted from exact integer moments. float64
                is kept as float64; the fitted numbers of anything else are float32.

        Returns:
            This module.

        Raises:
            ValueError: For fewer than two rows, more components than min(N, D), or values that are not finite.
        """
        x = torch.as_tensor(x)
        if x.ndim < 2 or len(x) < 2:
            raise ValueError(f"x must be (N, D) with at least two rows, not {tuple(x.shape)}")
        x_ND = x.flatten(1)
        most = min(x_ND.shape)
        if isinstance(self.n_components, int) and self.n_components > most:
            raise ValueError(
                f"n_components {self.n_components} needs as many rows and columns, not {tuple(x_ND.shape)}"
            )
        if x_ND.is_floating_point() and not x_ND.isfinite().all():
            raise ValueError("x must be finite")
        moments = pca_fit.moments(x_ND) if x_ND.dtype == torch.uint8 else pca_fit.float_moments(x_ND)
        total = float(moments[1].diagonal().sum())
        wanted = self.n_components if isinstance(self.n_components, int) else most
        mean_D, components_KD, variance_K = pca_fit.leading_components(*moments, wanted)
        if isinstance(self.n_components, float):
            kept = int(torch.searchsorted(variance_K.cumsum(0) / total, self.n_components, right=True)) + 1
            components_KD, variance_K = components_KD[:kept], variance_K[:kept]
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        self._keep(*(tensor.to(x.device, dtype) for tensor in (mean_D, components_KD, variance_K)))
        return self

    def _keep(self, mean_D: Tensor, components_KD: Tensor, variance_K: Tensor) -> None:
        self.register_buffer("mean", mean_D)
        self.register_buffer("components", components_KD)
        self.register_buffer("explained_variance", variance_K)

    def forward(self, x_ND: Any) -> Tensor:
        """Inputs ``(N, D)`` or ``(N, ...)``, a tensor or NumPy array, to features ``(N, K)``.

        Raises:
            ValueError: If the PCA is not fitted, or was fitted to another D.
        """
        if self.components.numel() == 0:
            raise ValueError("the PCA is not fitted: call fit(x) first")
        x_ND = torch.as_tensor(x_ND)
        if x_ND.ndim < 2 or math.prod(x_ND.shape[1:]) != len(self.mean):
            raise ValueError(f"the PCA was fitted to (N, {len(self.mean)}), not {tuple(x_ND.shape)}")
        x_ND = x_ND.flatten(1).to(self.components.dtype)
        y_NK = torch.addmm(-(self.components @ self.mean), x_ND, self.components.T)
        return y_NK / self._deviation_K() if self.whiten else y_NK

    def inverse(self, y_NK: Tensor) -> Tensor:
        """Features ``(N, K)`` to the closest inputs ``(N, D)`` that have them."""
        if self.whiten:
            y_NK = y_NK * self._deviation_K()
        return torch.addmm(self.mean, y_NK, self.components)

    def _deviation_K(self) -> Tensor:
        return torch.sqrt(self.explained_variance + self.epsilon)


def _checked(n_components: Any) -> int | float | None:
    if n_components is None:
        return None
    if isinstance(n_components, Integral) and not isinstance(n_components, bool) and int(n_components) >= 1:
        return int(n_components)
    if isinstance(n_components, Real) and 0.0 < float(n_components) < 1.0:
        return float(n_components)
    raise ValueError(
        f"n_components must be an integer from 1, a share of the variance in (0, 1), or None, not {n_components!r} "
        "(scikit-learn's 'mle' is not implemented)"
    )
