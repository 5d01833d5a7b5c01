"""Features of a source's images: the preprocessing is fitted when it is first needed, or taken from a checkpoint."""

import torch
from torch import Tensor

from cifar_mlp.data.fitting import fit_or_read
from cifar_mlp.data.labelled_images import LabelledImages
from cifar_mlp.data.preprocessing import Preprocessing

CHUNK = 2_000  # images; large enough to be fast, small enough to stay out of the memory's way


class Features:
    """What a preprocessing makes of images.

    Args:
        preprocessing: Is fitted in place.
        images: Their training split is what it is fitted on.
    """

    def __init__(self, preprocessing: Preprocessing, images: LabelledImages) -> None:
        self.preprocessing, self.images = preprocessing, images
        self.is_fitted = False

    def fitted(self, device: torch.device) -> Preprocessing:
        """The preprocessing, fitted on ``device`` unless it is, or unless the device lacks float64."""
        if not self.is_fitted:
            images, train = self.images.load("train")[0], self.images.indices()[0]
            source, options = self.images.source, self.images.settings
            edition = {"source": source.name, "files": source.fingerprint(images)}
            where = device if device.type == "cuda" else "cpu"
            fit_or_read(self.preprocessing, images, train, edition, options["cache_dir"], options["pca_solver"], where)
            self.is_fitted = True
        return self.preprocessing

    def use(self, state: dict[str, Tensor]) -> None:
        """Take the preprocessing in a checkpoint's ``state_dict`` instead of fitting."""
        prefix = "preprocessing."
        mine = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        self.preprocessing.load_state_dict(mine)
        self.is_fitted = True

    def of(self, images: Tensor, indices: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Features of the images at ``indices``, ``(len(indices), num_features)``, computed a chunk at a time.

        Args:
            images: uint8 ``(N, channels, height, width)``.
            indices: int64.
            dtype: Of the result.
            device: Where to fit, if need be.
        """
        preprocessing = self.fitted(device)
        features = torch.empty(len(indices), preprocessing.num_features, dtype=dtype)
        for chunk, rows in zip(features.split(CHUNK), indices.split(CHUNK), strict=True):
            chunk.copy_(preprocessing(images[rows]))
        return features
