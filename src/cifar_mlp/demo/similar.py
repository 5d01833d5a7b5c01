"""The training images that are most like one image, as a network is given them and as its last layer sees them."""

import torch
from torch import Tensor

from cifar_mlp.demo.answers import MemberNetwork, features_of, last_hidden

# Shape legend: N = training images, K = features, H = outputs of the last hidden layer
SHOWN = 6
CHUNK = 5_000  # images at a time


class Neighbours:
    """Finds them for one network.

    Args:
        part: The network.
        images: To be searched, uint8 ``(N, channels, height, width)``.
    """

    @torch.no_grad()
    def __init__(self, part: MemberNetwork, images: Tensor) -> None:
        self.part = part
        self.features_NK = torch.cat([part.preprocessing(chunk) for chunk in images.split(CHUNK)])
        self.hidden_NH = torch.cat([last_hidden(part.network, chunk) for chunk in self.features_NK.split(CHUNK)])

    def by_features(self, image: Tensor, count: int | None) -> list[int]:
        """Places of the images whose first ``count`` features are nearest, the nearest first."""
        return _nearest(self.features_NK[:, :count], features_of(self.part, image, count)[:, :count])

    @torch.no_grad()
    def by_last_hidden(self, image: Tensor, count: int | None) -> list[int]:
        """The same by the outputs of the last hidden layer; none of a linear network, which has no such layer."""
        if len(self.part.network.hidden) == 0:
            return []
        return _nearest(self.hidden_NH, last_hidden(self.part.network, features_of(self.part, image, count)))


def _nearest(all_NK: Tensor, query_1K: Tensor) -> list[int]:
    """By Euclidean distance, in chunks: the differences of all would be as large again as the features."""
    distances_N = torch.cat([(chunk - query_1K).square().sum(1) for chunk in all_NK.split(CHUNK)])
    return distances_N.argsort(stable=True)[:SHOWN].tolist()
