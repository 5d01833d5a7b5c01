"""Scaling and projection of a batch of bytes as one matmul, in the type of the training features."""

import copy

import torch
from torch import Tensor

from cifar_mlp.data.affine_map import through_pca
from cifar_mlp.data.preprocessing import Preprocessing

# Shape legend: B = images of a batch, D = pixels, K = features


class BytesToFeatures:
    """What a :class:`Preprocessing` computes, but for rounding, in fewer passes over the pixels.

    Scaling, centring, projection and whitening are one affine map. Where features are bfloat16 it multiplies in
    bfloat16: that type holds each byte exactly, and the features would be rounded to it anyway.

    Args:
        preprocessing: Fitted; it is copied.
        dtype: Of the features.
        device: Of the images.
    """

    def __init__(self, preprocessing: Preprocessing, dtype: torch.dtype, device: torch.device) -> None:
        self._preprocessing, self._dtype = copy.deepcopy(preprocessing).to(device), dtype
        self._matmul_type = torch.bfloat16 if dtype == torch.bfloat16 else torch.float32
        self._map: tuple[Tensor, Tensor] | None = None
        if preprocessing.pca is not None:
            weight_KD, bias_K = merged(preprocessing, self._matmul_type)
            self._map = weight_KD.to(device), bias_K.to(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Byte images ``(B, channels, height, width)`` to features ``(B, K)``."""
        if self._map is None:
            features: Tensor = self._preprocessing(images)
            return features.to(self._dtype)
        weight_KD, bias_K = self._map
        with torch.autocast(images.device.type, enabled=False):
            return torch.addmm(bias_K, images.flatten(1).to(self._matmul_type), weight_KD.T).to(self._dtype)


def merged(preprocessing: Preprocessing, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weight ``(K, D)`` and bias ``(K,)`` from pixel values 0..255 to features, on the CPU.

    Args:
        preprocessing: With a PCA.
        dtype: Of both; the bias belongs to the rounded weight, so that the mean image still has features 0.
    """
    fitted = copy.deepcopy(preprocessing).cpu().double()
    assert fitted.pca is not None
    num_features = fitted.num_features
    identity, zero_K = torch.eye(num_features, dtype=torch.float64), torch.zeros(num_features, dtype=torch.float64)
    weight_KD = (through_pca(identity, zero_K, fitted)[0] * fitted.scale).to(dtype)
    return weight_KD, -(weight_KD.double() @ (fitted.shift + fitted.pca.mean / fitted.scale)).to(dtype)
