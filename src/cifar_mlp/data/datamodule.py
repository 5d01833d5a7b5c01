"""The Lightning data module: a source, a split, a preprocessing, and batches on the right device."""

from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from cifar_mlp.data.augment.augmentation import Augmentation
from cifar_mlp.data.augment.augmented_split import AugmentedSplit
from cifar_mlp.data.augment.options import Augment, check_augment, require_two_labels
from cifar_mlp.data.checks import FeatureType, check_choices, check_sizes
from cifar_mlp.data.cifar import Part
from cifar_mlp.data.fitting import fit_or_read
from cifar_mlp.data.folder_images import FolderImages
from cifar_mlp.data.image_files import ImageFiles, find_image_files
from cifar_mlp.data.loader import (
    Batch,
    Sampling,
    SequentialOrder,
    TensorSplit,
    TrainingLoader,
    TrainingOrder,
    evaluation_loader,
)
from cifar_mlp.data.pca_fit import Solver
from cifar_mlp.data.preprocessing import Preprocessing, Scaling
from cifar_mlp.data.sources import source_of
from cifar_mlp.data.splits import Split, count_training_images, train_val_indices

EVALUATION_BATCH = 2_000  # images; large enough to be fast, small enough to stay out of the memory's way


class CIFAR10DataModule(LightningDataModule):
    """CIFAR-10, or another source of images, split, scaled and projected.

    Batches are pairs ``(inputs, labels)`` for any LightningModule. Training and its validation run on features,
    computed once. ``validate``, ``test`` and ``predict`` give features too, or byte images to a network that carries
    its own preprocessing (see ``byte_images``). All statistics come from the training split.

    Args:
        source: Set of images: cifar10, cifar100, digits (scikit-learn's 8 x 8 handwritten digits, 1,257 / 270 /
            270 images, always split by a stratified draw, no files needed), or folder: your own, in root.
        root: The set in any form: cifar-10-batches-py, the folder that holds it, cifar-10-python.tar.gz, the binary
            version, Hugging Face's parquet files, or a folder with one of these. For source folder: one sub-folder a
            class, or train/, val/ and test/ above these, or train/ and Kaggle's trainLabels.csv. Not given, for CIFAR:
            the environment variable CIFAR10_ROOT, else data/, ~/data and the caches of Hugging Face and Keras; if it
            lies nowhere, it is downloaded to data/.
        mirror: Where to download from first: an http, https or file address of the set's archive, or, ending in /, of a
            folder with it. Not given: the environment variable CIFAR10_MIRROR. The other servers follow.
        cache_dir: Folder where fitted PCAs, and the decoded images of source folder, are kept between runs.
        batch_size: Images per optimizer step on each device.
        split: report: the last val_size training images are for validation. random: a stratified draw of that many.
        val_size: Images held out for validation; null is the source's own number, 1000 for CIFAR. 0 trains on all
            images, without validation.
        test_size: Test images used, from the first; null is all of them, 1000 is the report's test.
        num_folds: If given, stratified cross-validation with this many folds instead of split and val_size.
        fold: Fold held out for validation, from 0, under num_folds.
        sampling: epoch: every image once per epoch. replacement: every batch is drawn from all images, as in the
            report; an epoch is then images // batch_size steps.
        augment: How training images are changed each time that they are seen, by name and strength; null leaves them
            as they are. flip: random, or alternating (every other epoch). crop: the window moves by up to so many
            pixels, reflecting. rotation: up to so many degrees. scale: by a factor of up to 1 +- this. colour:
            saturation, contrast and brightness, each by a factor of up to 1 +- this. cutout: side of a grey square.
            mixup, cutmix: strengths of their Beta distributions.
        scaling: symmetric: 0..255 to [-1, 1]. mean_image: pixels minus the training split's mean image.
            standardize: mean 0 and standard deviation 1 per channel over the training split. standardize_pixels: the
            same per pixel, as scikit-learn's StandardScaler does.
        n_components: Principal components kept, at most the pixel values of an image; null keeps the pixels.
        whiten: Divide each component by sqrt(its variance + whiten_epsilon).
        whiten_epsilon: Added to the variances under whiten, in squared units of the scaled pixels.
        pca_mirror: Fit statistics and PCA on the training images and their mirror images; a flip then only changes the
            sign of some components.
        pca_solver: exact: covariance from exact integer moments. sklearn: scikit-learn's covariance_eigh, slower.
        dtype: Type in which features are held in memory; the network casts a batch to its own. null is float32,
            and for training under mixed precision bfloat16, to which the first layer would round them at each step.
        byte_images: Whether validate, test and predict give uint8 images instead of features. null asks the module:
            true where its takes_byte_images is true, as Classifier's is, else false.
        predict_path: Image files to predict: a file, a folder, or a list of them; null predicts the test images.
        output: CSV file that predict writes.
        image_size: Height and width to which the images of source folder are resized; null is 32.
        grey: Whether the images of source folder become grey; null: if all of them are.
        class_names: Classes of source folder by label; null: as found, sorted. A checkpoint brings them.
        seed: Decides splits and the order of training; the command line sets it by --seed_everything.

    Raises:
        ValueError: For settings that cannot work together or with the source; names the option.
    """

    def __init__(
        self,
        source: str = "cifar10",
        root: str | None = None,
        mirror: str | None = None,
        cache_dir: str = "~/.cache/cifar_mlp",
        batch_size: int = 200,
        split: Split = "report",
        val_size: int | None = None,
        test_size: int | None = None,
        num_folds: int | None = None,
        fold: int = 0,
        sampling: Sampling = "epoch",
        augment: Augment | None = None,
        scaling: Scaling = "symmetric",
        n_components: int | None = None,
        whiten: bool = False,
        whiten_epsilon: float = 0.0,
        pca_mirror: bool = False,
        pca_solver: Solver = "exact",
        dtype: FeatureType | None = None,
        byte_images: bool | None = None,
        predict_path: str | list[str] | None = None,
        output: str = "predictions.csv",
        image_size: int | None = None,
        grey: bool | None = None,
        class_names: list[str] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        root = None if root is None else str(root)
        self.save_hyperparameters(logger=False)
        self.settings: dict[str, Any] = dict(self.hparams)
        check_choices(self.settings)
        self.source = source_of(self.settings)
        self.root, self.mirror, self.cache_dir, self.seed = root, mirror, cache_dir, seed
        self.predict_path, self.output = predict_path, output
        self.preprocessing = Preprocessing(
            self.source.image_shape, scaling, n_components, whiten, whiten_epsilon, pca_mirror
        )
        check_augment(augment or {}, self.source.image_shape)
        self.num_train = self.num_val = 0
        if source == FolderImages.name:  # so that a checkpoint knows them
            self.hparams.update(class_names=list(self.class_names), grey=self.source.image_shape[0] == 1)
        if source != FolderImages.name or predict_path is None:  # to predict, the folder need not be there
            self._count_images()
        self._fitted = False
        self._images: dict[Part, tuple[Tensor, Tensor]] = {}
        self._splits: dict[str, TensorSplit | ImageFiles] = {}

    def _count_images(self) -> None:
        """How many images each split gets, as far as the source tells."""
        asked = self.settings
        self.val_size = self.source.default_val_size if asked["val_size"] is None else asked["val_size"]
        self.test_size = self.source.num_test if asked["test_size"] is None else asked["test_size"]
        self.num_train = count_training_images(self.source.num_train, self.val_size, asked["num_folds"], asked["fold"])
        self.num_val = self.source.num_train - self.num_train
        check_sizes(asked["batch_size"], asked["n_components"], self.num_train, self.test_size, self.source.num_test)

    # What the network needs to know before any file is opened

    @property
    def num_features(self) -> int:
        """Features per image."""
        return self.preprocessing.num_features

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

    # Lightning's hooks

    def prepare_data(self) -> None:
        """On one process of each machine: check that the files are there, and fit the PCA if no earlier run has."""
        stage = None if self.trainer is None else self.trainer.state.fn
        for part in self._parts(stage):
            self.source.prepare(self.root, part, self.mirror)
        if self.trainer is not None and stage == "fit":
            require_two_labels(self.settings["augment"] or {}, self.trainer.lightning_module)
        if stage == "fit" or (stage is not None and not self.gives_bytes):
            self._fit()

    def setup(self, stage: str | None = None) -> None:
        """On every process: load what ``stage`` needs.

        Args:
            stage: ``fit``, ``validate``, ``test`` or ``predict``; ``None`` loads all splits.
        """
        images, labels = self._load("train") if "train" in self._parts(stage) else (None, None)
        if images is not None and labels is not None:
            train, val = self._indices()
            self.num_train, self.num_val = len(train), len(val)  # folds differ by an image
            if stage in ("fit", None):
                self._splits["train"] = self._training_split(images, labels, train)
            if stage in ("fit", "validate", None) and self.num_val:
                bytes_wanted = stage == "validate" and self.gives_bytes
                self._splits["val"] = self._split(images, labels, val, None if bytes_wanted else self._feature_type())
        if "test" in self._parts(stage):
            images, labels = self._load("test")
            first = torch.arange(self.test_size)
            self._splits["test"] = self._split(
                images, labels, first, None if self.gives_bytes else self._feature_type()
            )
            if isinstance(self.source, FolderImages):
                self._splits["test"].files = self.source.files_of("test", self.seed)
        if self.predict_path is not None and stage in ("predict", None):
            transform = None if self.gives_bytes else self._fitted_preprocessing()
            self._splits["predict"] = ImageFiles(
                find_image_files(self.predict_path), self.source.image_shape, transform
            )

    def train_dataloader(self) -> TrainingLoader:
        """Features and labels of the training split, in the order that ``sampling`` asks for."""
        rank, world_size = self._rank()
        split = self._loaded("train", "fit")
        order = TrainingOrder(
            self.num_train, self.settings["batch_size"], self.settings["sampling"], self.seed, rank, world_size
        )
        return TrainingLoader(split, order, self.trainer)

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """The validation split: features while fitting; for ``validate`` see ``byte_images``. Of no images: ``[]``."""
        return self._sequential(self._loaded("val", "fit")) if self.num_val else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """The first ``test_size`` test images, see ``byte_images``."""
        return self._sequential(self._loaded("test", "test"))

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The image files of ``predict_path``, else the test images, see ``byte_images``."""
        return self._sequential(self._loaded("test" if self.predict_path is None else "predict", "predict"))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch that is elsewhere."""
        return batch if batch.inputs.device == device else batch.to(device)

    def require_test_files(self) -> None:
        """See that the test images can be read; a test after hours of training must not fail for want of them."""
        self.source.prepare(self.root, "test", self.mirror)
        self._load("test")

    # How it is done

    @property
    def gives_bytes(self) -> bool:
        """Whether ``validate``, ``test`` and ``predict`` give byte images."""
        if self.settings["byte_images"] is not None:
            return bool(self.settings["byte_images"])
        module = None if self.trainer is None else self.trainer.lightning_module
        return bool(getattr(module, "takes_byte_images", False))

    def _parts(self, stage: str | None) -> list[Part]:
        """The files that ``stage`` reads; features need a fitted preprocessing, and that the training images."""
        needs_fit = stage in ("test", "predict") and not (self.gives_bytes or self._fitted)
        parts: list[Part] = ["train"] if stage in ("fit", "validate", None) or needs_fit else []
        if stage in ("test", None) or (stage == "predict" and self.predict_path is None):
            parts.append("test")
        return parts

    def _load(self, part: Part) -> tuple[Tensor, Tensor]:
        if part not in self._images:
            if self.num_train == 0:
                self._count_images()
            self._images[part] = self.source.load(self.root, part, self.seed)
        return self._images[part]

    def _indices(self) -> tuple[Tensor, Tensor]:
        # The digits come in no particular order, so the report's split has no meaning for them.
        split: Split = "random" if self.source.name == "digits" else self.settings["split"]
        labels = self._load("train")[1]
        return train_val_indices(
            labels, split, self.val_size, self.settings["num_folds"], self.settings["fold"], self.seed
        )

    def _fit(self) -> None:
        if not self._fitted:
            images, train = self._load("train")[0], self._indices()[0]
            edition = {"source": self.source.name, "files": self.source.fingerprint(images)}
            device = self._device if self._device.type == "cuda" else "cpu"  # others lack float64
            solver = self.settings["pca_solver"]
            fit_or_read(self.preprocessing, images, train, edition, self.cache_dir, solver, device)
            self._fitted = True

    def use_fitted(self, state: dict[str, Tensor]) -> None:
        """Take a checkpoint's preprocessing as it is, instead of fitting.

        Args:
            state: A checkpoint's ``state_dict``.
        """
        prefix = "preprocessing."
        mine = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        self.preprocessing.load_state_dict(mine)
        self._fitted = True

    def _fitted_preprocessing(self) -> Preprocessing:
        self._fit()
        return self.preprocessing

    def _split(self, images: Tensor, labels: Tensor, indices: Tensor, dtype: torch.dtype | None) -> TensorSplit:
        """The images at ``indices`` as bytes, or as features of ``dtype``, on the device, where batches are cut."""
        inputs = images[indices] if dtype is None else self.features(images, indices, dtype)
        return TensorSplit(inputs.to(self._device), labels[indices].to(self._device))

    def _training_split(self, images: Tensor, labels: Tensor, indices: Tensor) -> TensorSplit:
        if not self.settings["augment"]:
            return self._split(images, labels, indices, self._training_type())
        plain = self._split(images, labels, indices, None)
        augmentation = Augmentation(self.settings["augment"], len(indices), self.seed)
        preprocessing = self._fitted_preprocessing()
        return AugmentedSplit(plain.inputs, plain.labels, augmentation, preprocessing, self._training_type())

    def _feature_type(self) -> torch.dtype:
        chosen: torch.dtype = getattr(torch, self.settings["dtype"] or "float32")
        return chosen

    def _training_type(self) -> torch.dtype:
        mixed = self.trainer is not None and self.trainer.precision == "bf16-mixed"
        return torch.bfloat16 if mixed and self.settings["dtype"] is None else self._feature_type()

    def val_images(self) -> tuple[Tensor, Tensor]:
        """The validation split as it was loaded, for pictures: uint8 images and int64 labels, on the CPU."""
        images, labels = self._load("train")
        val = self._indices()[1]
        return images[val], labels[val]

    def val_indices(self) -> Tensor:
        """Which of the source's training images the validation split holds, ``(V,)``, rising."""
        return self._indices()[1]

    def features(self, images: Tensor, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features of the images at ``indices``, ``(len(indices), num_features)``, computed a chunk at a time."""
        preprocessing = self._fitted_preprocessing()
        features = torch.empty(len(indices), self.num_features, dtype=dtype)
        for chunk, rows in zip(features.split(EVALUATION_BATCH), indices.split(EVALUATION_BATCH), strict=True):
            chunk.copy_(preprocessing(images[rows]))
        return features

    def _loaded(self, name: str, stage: str) -> TensorSplit | ImageFiles:
        if name not in self._splits:
            raise ValueError(f"{name} images are not loaded: call prepare_data() and setup({stage!r}) first")
        return self._splits[name]

    def _sequential(self, split: TensorSplit | ImageFiles) -> DataLoader[Batch]:
        return evaluation_loader(split, SequentialOrder(len(split), EVALUATION_BATCH, *self._rank()))

    def _rank(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    @property
    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
