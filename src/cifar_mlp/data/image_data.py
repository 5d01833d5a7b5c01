"""What a data module knows of its images, and how it makes splits of them; no hook of Lightning's is here."""

from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor

from cifar_mlp.data.augment.augmentation import Augmentation
from cifar_mlp.data.augment.augmented_split import AugmentedSplit
from cifar_mlp.data.augment.options import check_augment
from cifar_mlp.data.checks import check_choices
from cifar_mlp.data.features import Features
from cifar_mlp.data.labelled_images import LabelledImages
from cifar_mlp.data.loader import TensorSplit
from cifar_mlp.data.own_images.folder_images import FolderImages
from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.data.sources import source_of


class ImageData(LightningDataModule):
    """A source under the options of :class:`cifar_mlp.data.datamodule.CIFAR10DataModule`."""

    def describe(self, settings: dict[str, Any]) -> None:
        """Take the options.

        Raises:
            ValueError: For options that cannot work together or with the source; names one.
        """
        self.settings = settings
        check_choices(settings)
        self.source = source_of(settings)
        self.root, self.mirror = settings["root"], settings["mirror"]
        self.cache_dir, self.seed = settings["cache_dir"], settings["seed"]
        names = ("scaling", "n_components", "whiten", "whiten_epsilon", "pca_mirror")
        self.preprocessing = Preprocessing(self.source.image_shape, *(settings[name] for name in names))
        check_augment(settings["augment"] or {}, self.source.image_shape)
        self.labelled = LabelledImages(self.source, settings)
        self.fitting = Features(self.preprocessing, self.labelled)
        if isinstance(self.source, FolderImages):
            # so that a checkpoint knows them
            self.hparams.update(class_names=list(self.class_names), grey=self.source.image_shape[0] == 1)
            if settings["predict_path"] is not None:  # then the folder need not be there
                return
        self.labelled.count()

    @property
    def num_features(self) -> int:
        """Features per image."""
        return self.preprocessing.num_features

    @property
    def num_train(self) -> int:
        """Images that train."""
        return self.labelled.num_train

    @property
    def num_val(self) -> int:
        """Images held out for validation."""
        return self.labelled.num_val

    @property
    def test_size(self) -> int:
        """Test images used, from the first."""
        return self.labelled.test_size

    @property
    def num_classes(self) -> int:
        """Classes of the source."""
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label."""
        return self.source.class_names

    @property
    def metric_prefix(self) -> str:
        """Put before every metric's name, so that no other source's figures pass for CIFAR-10's."""
        return "" if self.source.name == "cifar10" else f"{self.source.name}/"

    @property
    def gives_bytes(self) -> bool:
        """Whether ``validate``, ``test`` and ``predict`` give byte images."""
        if self.settings["byte_images"] is not None:
            return bool(self.settings["byte_images"])
        module = None if self.trainer is None else self.trainer.lightning_module
        return bool(getattr(module, "takes_byte_images", False))

    def use_fitted(self, state: dict[str, Tensor]) -> None:
        """Take the preprocessing in a checkpoint's ``state_dict`` as it is, instead of fitting."""
        self.fitting.use(state)

    def split(self, images: Tensor, labels: Tensor, indices: Tensor, dtype: torch.dtype | None) -> TensorSplit:
        """The images at ``indices`` as bytes, or as features of ``dtype``, on the device, where batches are cut."""
        inputs = images[indices] if dtype is None else self.features(images, indices, dtype)
        return TensorSplit(inputs.to(self.device), labels[indices].to(self.device))

    def training_split(self, images: Tensor, labels: Tensor, indices: Tensor) -> TensorSplit:
        """The same for training: of the type that training takes, or bytes that are augmented per batch."""
        if not self.settings["augment"]:
            return self.split(images, labels, indices, self._training_type())
        plain = self.split(images, labels, indices, None)
        augmentation = Augmentation(self.settings["augment"], len(indices), self.seed)
        preprocessing = self.fitting.fitted(self.device)
        return AugmentedSplit(plain.inputs, plain.labels, augmentation, preprocessing, self._training_type())

    @property
    def feature_type(self) -> torch.dtype:
        """In which features are held."""
        chosen: torch.dtype = getattr(torch, self.settings["dtype"] or "float32")
        return chosen

    def _training_type(self) -> torch.dtype:
        mixed = self.trainer is not None and self.trainer.precision == "bf16-mixed"
        return torch.bfloat16 if mixed and self.settings["dtype"] is None else self.feature_type

    def train_images(self) -> tuple[Tensor, Tensor]:
        """The training split, as :meth:`val_images`."""
        images, labels = self.labelled.load("train")
        train = self.labelled.indices()[0]
        return images[train], labels[train]

    def val_images(self) -> tuple[Tensor, Tensor]:
        """The validation split as it was loaded, for pictures: uint8 images and int64 labels, on the CPU."""
        images, labels = self.labelled.load("train")
        val = self.val_indices()
        return images[val], labels[val]

    def val_indices(self) -> Tensor:
        """Which of the source's training images the validation split holds, ``(V,)``, rising."""
        return self.labelled.indices()[1]

    def features(self, images: Tensor, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features of the images at ``indices``, ``(len(indices), num_features)``, computed a chunk at a time."""
        return self.fitting.of(images, indices, dtype, self.device)

    def rank(self) -> tuple[int, int]:
        """This process, and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    @property
    def device(self) -> torch.device:
        """Where batches are needed."""
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
