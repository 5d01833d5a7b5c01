"""Preprocessing as the affine map that it is, merged with one that follows."""

from torch import Tensor

from cifar_mlp.data.preprocessing import Preprocessing

# Shape legend: D = pixels, K = features, H = outputs of the map that follows


def through_pca(weight_HK: Tensor, bias_H: Tensor, preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Weight ``(H, D)`` and bias ``(H,)`` on scaled pixels, of an affine map on their features."""
    pca = preprocessing.pca
    if pca is None:
        return weight_HK, bias_H
    if pca.whiten:
        weight_HK = weight_HK / (pca.explained_variance.double() + pca.epsilon).sqrt()
    weight_HD = weight_HK @ pca.components.double()
    return weight_HD, bias_H - weight_HD @ pca.mean.double()
