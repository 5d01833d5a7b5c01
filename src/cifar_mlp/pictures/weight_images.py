"""First-layer weights as images in pixel space."""

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from cifar_mlp.pictures.style import labels_of
from cifar_mlp.pictures.tiles import Caption, about_grey, gallery

# Shape legend: U = units, K = features, D = pixels
MOST = 64  # units shown


def pixel_gradients(weight_UK: Tensor, preprocessing: Any) -> Tensor:
    """Gradient of each unit's input by the pixels, ``(U, channels, height, width)``, per level of 0..255.

    With features = ((pixels - shift) scale - mean) components^T / deviation, the gradient of weight @ features is
    (weight / deviation) @ components * scale: the filter that the unit applies to an image, through PCA and
    whitening. Whitening divides here too, so a whitened network's filters are rougher than its images.

    Args:
        weight_UK: First affine map.
        preprocessing: From byte images to features, see ``data.preprocessing``.
    """
    gradient = weight_UK.detach().to(preprocessing.scale)  # its device, and its type, which may be double
    pca = preprocessing.pca
    if pca is not None:
        if pca.whiten:
            gradient = gradient / torch.sqrt(pca.explained_variance + pca.epsilon)
        gradient = gradient @ pca.components
    return (gradient * preprocessing.scale).unflatten(1, preprocessing.spec["image_shape"]).float().cpu()


def first_layer_weights(gradients: Tensor, names: Sequence[str] = (), when: str = "") -> Figure:
    """The 64 units with the largest gradients, as tiles.

    Args:
        gradients: ``(U, channels, height, width)``, see :func:`pixel_gradients`.
        names: Name of each unit, if it has one; units are then in order.
        when: Step of the training, for the title.
    """
    norms = gradients.flatten(1).norm(dim=1).nan_to_num(0.0)
    order = torch.arange(len(gradients)) if names else norms.argsort(descending=True, stable=True)
    order = order[:MOST]
    captions = [Caption(labels_of(names)[unit]) for unit in order.tolist()] if names else []
    channels = gradients.shape[1]
    more = "more of that colour" if channels == 3 else "more light"
    which = f"first {len(order)} of {len(gradients):,} units" if names else f"{len(order)} of {len(gradients):,} units"
    shown = "" if len(order) == len(gradients) else f", {which}" + ("" if names else " by norm")
    return gallery(
        about_grey(gradients[order]),
        min(10 if names else 16, len(order)),
        f"First-layer weights in pixel space{shown}{when}",
        captions,
        note=f"Bright: {more} raises the unit's input; dark: lowers it; grey: no effect. Each tile has its own scale.",
        tile=0.85 if names else 0.6,
    )
