"""Principal component analysis as a module of fitted tensors."""

import torch
from torch import Tensor, nn

# Shape legend: N = images, D = pixels, K = principal components


class PCA(nn.Module):
    """Projection on the leading principal components.

    The fitted numbers are buffers: they follow the module to any device and into every checkpoint. ``components``
    has orthonormal rows by falling variance; of each row, the entry of largest magnitude is positive (the rule of
    scikit-learn's ``svd_flip`` for rows). ``explained_variance`` counts with N - 1 degrees of freedom.

    Args:
        in_features: Inputs per image, D.
        n_components: Components kept, K.
        whiten: Divide each projected feature by sqrt(explained_variance + epsilon).
        epsilon: Added to the variances under ``whiten``, in squared units of the inputs; it bounds how much a
            component of little variance is blown up.
    """

    mean: Tensor
    components: Tensor
    explained_variance: Tensor

    def __init__(self, in_features: int, n_components: int, whiten: bool = False, epsilon: float = 0.0) -> None:
        super().__init__()
        self.whiten, self.epsilon = whiten, epsilon
        self.register_buffer("mean", torch.zeros(in_features))
        self.register_buffer("components", torch.zeros(n_components, in_features))
        self.register_buffer("explained_variance", torch.ones(n_components))

    def forward(self, x_ND: Tensor) -> Tensor:
        """Inputs ``(N, D)`` to features ``(N, K)``."""
        y_NK = torch.addmm(-(self.components @ self.mean), x_ND, self.components.T)
        return y_NK / self._deviation_K() if self.whiten else y_NK

    def inverse(self, y_NK: Tensor) -> Tensor:
        """Features ``(N, K)`` to the inputs ``(N, D)`` of least error that have them."""
        if self.whiten:
            y_NK = y_NK * self._deviation_K()
        return torch.addmm(self.mean, y_NK, self.components)

    def _deviation_K(self) -> Tensor:
        return torch.sqrt(self.explained_variance + self.epsilon)
