"""From byte images to the features that a network sees: fitted once, then plain tensors that travel with it."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cifar_mlp.data import pca_fit
from cifar_mlp.data.pca import PCA

# Shape legend: N = images, D = pixels, K = features

Scaling = Literal["mean_image", "symmetric", "standardize", "standardize_pixels"]


class Preprocessing(nn.Module):
    """Pixel scaling, then PCA if asked for.

    Args:
        image_shape: Channels, height and width of the images.
        scaling: ``symmetric`` maps 0..255 to [-1, 1]. ``mean_image`` subtracts the training split's mean image and
            keeps the units of pixels. ``standardize`` gives each channel mean 0 and standard deviation 1 over the
            training split; ``standardize_pixels`` each pixel, as scikit-learn's ``StandardScaler`` does: one that
            never changes is only centred.
        n_components: Principal components kept; ``None`` keeps the scaled pixels.
        whiten: Divide each component by its standard deviation, see :class:`PCA`.
        whiten_epsilon: Added to the variances under ``whiten``.
        pca_mirror: Measure and fit on the images and their mirror images.

    Raises:
        ValueError: For an unknown scaling or a number of components that the images cannot have.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        scaling: Scaling = "symmetric",
        n_components: int | None = None,
        whiten: bool = False,
        whiten_epsilon: float = 0.0,
        pca_mirror: bool = False,
    ) -> None:
        super().__init__()
        if scaling not in get_args(Scaling):
            raise ValueError(f"--data.scaling must be one of {', '.join(get_args(Scaling))}, not {scaling!r}")
        channels, height, width = image_shape
        in_features = channels * height * width
        if n_components is not None and not 1 <= n_components <= in_features:
            raise ValueError(
                f"--data.n_components must be between 1 and the {in_features} pixel values of an image, "
                f"not be {n_components}"
            )
        if whiten and n_components is None:
            raise ValueError("--data.whiten needs --data.n_components: it scales principal components")
        if whiten_epsilon < 0:
            raise ValueError(f"--data.whiten_epsilon must not be negative, as {whiten_epsilon} is")
        self.spec: dict[str, Any] = {
            "image_shape": list(image_shape),
            "scaling": scaling,
            "n_components": n_components,
            "whiten": whiten,
            "whiten_epsilon": whiten_epsilon,
            "pca_mirror": pca_mirror,
        }
        self.register_buffer("shift", torch.zeros(in_features))
        self.register_buffer("scale", torch.ones(in_features))
        self.pca = PCA(n_components, whiten, whiten_epsilon, in_features) if n_components is not None else None

    @property
    def num_features(self) -> int:
        """Features per image, K."""
        return len(self.shift) if self.pca is None else len(self.pca.components)

    def fit(
        self, images: Tensor, solver: pca_fit.Solver = "exact", device: torch.device | str = "cpu"
    ) -> "Preprocessing":
        """Measure what the scaling and the PCA need.

        Args:
            images: The training split, uint8 ``(N, channels, height, width)``; nothing else may be shown.
            solver: How the PCA is fitted, see :func:`pca_fit.fit`.
            device: Where it is fitted.

        Returns:
            This module, fitted, in float32.
        """
        pixels_ND = images.flatten(1)
        shift_D, scale_D = self._measure_scaling(pixels_ND)
        self.shift.copy_(shift_D)
        self.scale.copy_(scale_D)
        if self.pca is not None:
            fitted = pca_fit.fit(pixels_ND.to(device), shift_D, scale_D, len(self.pca.components), solver, self._mirror)
            self.pca.load_state_dict({name: value.float() for name, value in fitted._asdict().items()})
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Byte images ``(N, channels, height, width)`` to features ``(N, K)``."""
        # Mixed precision is for the network: the same image has the same features on every path.
        with torch.autocast(images.device.type, enabled=False):
            x_ND = images.flatten(1).to(self.shift.dtype).sub_(self.shift).mul_(self.scale)
            return x_ND if self.pca is None else self.pca(x_ND)

    def inverse(self, features_NK: Tensor) -> Tensor:
        """Features ``(N, K)`` to pixel values ``(N, channels, height, width)``, floating point, in 0..255 units."""
        x_ND = features_NK if self.pca is None else self.pca.inverse(features_NK)
        return (x_ND / self.scale + self.shift).unflatten(1, self.spec["image_shape"])

    def _measure_scaling(self, pixels_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale of each pixel, ``(D,)``, float64, from exact integer sums."""
        num_images, in_features = len(pixels_ND) * (2 if self.spec["pca_mirror"] else 1), pixels_ND.shape[1]
        shift_D = torch.full((in_features,), 127.5, dtype=torch.float64)
        scale_D = torch.full((in_features,), 1 / 127.5, dtype=torch.float64)
        if self.spec["scaling"] == "mean_image":
            shift_D = self._with_mirror(pixels_ND.sum(0, dtype=torch.int64)).double() / num_images
            scale_D = torch.ones_like(shift_D)
        elif self.spec["scaling"] == "standardize_pixels":
            sum_D = self._with_mirror(pixels_ND.sum(0, dtype=torch.int64))
            squares_D = self._with_mirror(_sum_of_squares(pixels_ND))
            spread_D = (num_images * squares_D - sum_D**2).double().sqrt() / num_images
            shift_D, scale_D = sum_D.double() / num_images, 1 / spread_D.where(spread_D > 0, 1.0)
        elif self.spec["scaling"] == "standardize":
            channels = self.spec["image_shape"][0]
            for pixels, shift, scale in zip(
                pixels_ND.unflatten(1, (channels, -1)).unbind(1), shift_D.chunk(channels), scale_D.chunk(channels),
                strict=True,
            ):  # fmt: skip
                counts = torch.bincount(pixels.flatten(), minlength=256).double()
                levels, share = torch.arange(256.0, dtype=torch.float64), counts / counts.sum()
                mean = (share * levels).sum()
                deviation = (share * (levels - mean) ** 2).sum().sqrt()
                shift.fill_(mean)
                scale.fill_(1 / deviation if deviation > 0 else 1.0)
        return shift_D, scale_D

    @property
    def _mirror(self) -> Tensor | None:
        """Where each pixel is in the mirror image, int64 ``(D,)``; ``None`` unless mirror images count."""
        if not self.spec["pca_mirror"]:
            return None
        shape = self.spec["image_shape"]
        return torch.arange(len(self.shift)).view(shape).flip(2).flatten()

    def _with_mirror(self, sums_D: Tensor) -> Tensor:
        mirror = self._mirror
        return sums_D if mirror is None else sums_D + sums_D[mirror]

    def _apply(self, fn: Any, recurse: bool = True) -> "Preprocessing":
        """Follow the network to any device, but never below float32: half precision would blur the data."""

        def keep_precision(tensor: Tensor) -> Tensor:
            moved: Tensor = fn(tensor)
            return moved if torch.finfo(moved.dtype).bits >= 32 else tensor.to(moved.device)

        return super()._apply(keep_precision, recurse)


def _sum_of_squares(pixels_ND: Tensor) -> Tensor:
    """Exact, int64 ``(D,)``; in chunks, since a byte becomes eight."""
    return torch.stack([chunk.long().square_().sum(0) for chunk in pixels_ND.split(pca_fit.CHUNK)]).sum(0)
