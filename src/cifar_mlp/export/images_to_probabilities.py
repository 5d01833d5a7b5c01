"""What is exported: a module of plain tensor operations, with nothing of Lightning or of the data in it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cifar_mlp.data.affine_map import through_pca
from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.export.folding import fold
from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.mlp import MLP

# Of a network, beside its inputs:
SHAPE = ("num_classes", "hidden_sizes", "activation", "normalization", "residual_blocks", "expansion")


class PixelNetwork(nn.Module):
    """A network with its preprocessing as two affine steps, or folded into its first layer.

    Args:
        pixels: Values per image, D.
        components: Principal components; ``None`` without PCA.
        folded: Whether the network takes pixel values themselves.
        network: Arguments of :class:`MLP`, beside the inputs.
    """

    def __init__(self, pixels: int, components: int | None, folded: bool, network: dict[str, Any]) -> None:
        super().__init__()
        self.description = {"pixels": pixels, "components": components, "folded": folded, "network": network}
        self.scaling, self.projection = None, None
        if not folded:
            self.scaling = Scaled(pixels)
            self.projection = None if components is None else nn.Linear(pixels, components)
        self.network = MLP(pixels if folded or components is None else components, **network)

    def forward(self, pixels_ND: Tensor) -> Tensor:
        """Pixel values 0..255 ``(N, D)``, floating point, to probabilities ``(N, C)``."""
        x = pixels_ND if self.scaling is None else self.scaling(pixels_ND)
        x = x if self.projection is None else self.projection(x)
        return torch.softmax(self.network(x), dim=1)


class Scaled(nn.Module):
    """``(x - shift) * scale``, pixel by pixel."""

    shift: Tensor
    scale: Tensor

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(pixels))
        self.register_buffer("scale", torch.ones(pixels))

    def forward(self, pixels_ND: Tensor) -> Tensor:
        """Shape ``(N, D)`` stays."""
        return (pixels_ND - self.shift) * self.scale


class ImagesToProbabilities(nn.Module):
    """Bytes ``(N, channels, height, width)`` to float32 probabilities ``(N, C)``: the mean over one network or more.

    Args:
        descriptions: Of each network, the arguments of :class:`PixelNetwork`.
    """

    def __init__(self, descriptions: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(PixelNetwork(**description) for description in descriptions)
        self.eval()

    @property
    def descriptions(self) -> list[dict[str, Any]]:
        """What a module like this one is made from, as plain JSON."""
        return [network.description for network in self.networks]  # type: ignore[misc]

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities of uint8 images."""
        pixels_ND = images.flatten(1).float()
        found = [network(pixels_ND) for network in self.networks]
        return found[0] if len(found) == 1 else torch.stack(found).mean(0)


def exportable(model: Classifier, folded: bool) -> ImagesToProbabilities:
    """The module that computes, in float32, a trained classifier's probabilities of byte images, of one view each.

    Args:
        model: Trained.
        folded: Merge the preprocessing into the first layer.

    Raises:
        ValueError: If it was trained on features, and so knows no images.
    """
    described, states = [], []
    for member in model.members():
        preprocessing = member.preprocessing
        if preprocessing is None:
            raise ValueError("the network was trained on features: it carries no preprocessing and knows no images")
        made = PixelNetwork(
            len(preprocessing.shift),
            preprocessing.spec["n_components"],
            folded,
            {name: member.settings[name] for name in SHAPE},
        )
        described.append(made.description)
        states.append(_state(member.network, preprocessing, folded))
    module = ImagesToProbabilities(described)
    for network, state in zip(module.networks, states, strict=True):
        network.load_state_dict(state)
    return module


def _state(network: MLP, preprocessing: Preprocessing, folded: bool) -> dict[str, Tensor]:
    merged = fold(network, preprocessing) if folded else network
    state = {f"network.{name}": value for name, value in merged.state_dict().items()}
    if folded:
        return state
    state |= {"scaling.shift": preprocessing.shift, "scaling.scale": preprocessing.scale}
    if preprocessing.pca is not None:
        # PCA alone is the same affine map as PCA before an identity layer
        count = len(preprocessing.pca.components)
        identity = torch.eye(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
        state["projection.weight"], state["projection.bias"] = through_pca(*identity, preprocessing)
    return state
