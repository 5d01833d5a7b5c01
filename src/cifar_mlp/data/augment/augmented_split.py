"""A training split whose images are changed each time they are seen."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from cifar_mlp.data.augment.augmentation import Augmentation, Place
from cifar_mlp.data.augment.mixing import MixedBatch, Mixture, blend
from cifar_mlp.data.augment.projection import BytesToFeatures
from cifar_mlp.data.loader import Batch, TensorSplit, TrainingOrder
from cifar_mlp.data.preprocessing import Preprocessing


class AugmentedSplit(TensorSplit):
    """Byte images; a batch of them is changed, then scaled and projected.

    Args:
        images: uint8 ``(N, channels, height, width)``, on the device where the batches are needed.
        labels: int64 ``(N,)``.
        augmentation: What changes them.
        preprocessing: Fitted.
        dtype: Of the features.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        augmentation: Augmentation,
        preprocessing: Preprocessing,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(images, labels)
        self.augmentation = augmentation
        self._to_features = BytesToFeatures(preprocessing, dtype, images.device)

    def batches(self, indices: Iterable[Tensor], order: TrainingOrder) -> Iterator[Batch | MixedBatch]:
        """The batches of an order's rest of an epoch."""
        for number, rows in enumerate(indices, order.first_batch):
            yield self.batch(rows, Place(order.epoch, number, order.rank))

    def changed(self, indices: Tensor, place: Place) -> tuple[Tensor, Mixture | None]:
        """Bytes of the images at ``indices``, changed, and how they are mixed; mixup itself is left to the features."""
        images = self.inputs.index_select(0, indices.to(self.inputs.device, non_blocking=True))
        return self.augmentation.mixture(self.augmentation.change(images, indices, place), place)

    def batch(self, indices: Tensor, place: Place) -> Batch | MixedBatch:
        """Features of the images at ``indices`` as they are at this place of the training."""
        images, mixture = self.changed(indices, place)
        rows = indices.to(images.device, non_blocking=True)
        features, labels = self._to_features(images), self.labels.index_select(0, rows)
        if mixture is None:
            return Batch(features, labels, rows)
        if mixture.box is None:
            features = blend(features, mixture)
        weight = torch.full((len(rows),), mixture.share, device=rows.device)
        return MixedBatch(features, labels, labels[mixture.partners], weight)
