"""Scaling, PCA and whitening merged into a network's first layer; see docs/derivation.md."""

import copy

from torch import nn

from cifar_mlp.data.affine_map import through_pca
from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.mlp import MLP

# Shape legend: D = pixels, H = outputs of the first layer


def fold(network: MLP, preprocessing: Preprocessing) -> MLP:
    """A network on pixel values 0..255 that computes what ``network`` does on their features.

    All steps of the preprocessing are affine. They are merged in float64, from the last one to the first.

    Args:
        network: On K features; it stays as it is.
        preprocessing: From D pixel values to K features.
    """
    merged = copy.deepcopy(network)
    first = merged.first
    weight, bias = through_pca(first.weight.detach().double(), first.bias.detach().double(), preprocessing)
    weight_HD = weight * preprocessing.scale.double()
    bias_H = bias - weight_HD @ preprocessing.shift.double()
    first.weight, first.bias = (nn.Parameter(tensor.to(first.weight.dtype)) for tensor in (weight_HD, bias_H))
    first.in_features = weight_HD.shape[1]
    return merged
