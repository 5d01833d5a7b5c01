"""The Lightning data module: a source, a split, a preprocessing, and batches on the right device."""

from typing import Any, Literal, get_args

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from cifar_mlp.data.cifar import Part
from cifar_mlp.data.fitting import fit_or_read
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
from cifar_mlp.data.sources import SOURCES
from cifar_mlp.data.splits import Split, count_training_images, train_val_indices

FeatureType = Literal["float64", "float32", "bfloat16", "float16"]
EVALUATION_BATCH = 2_000  # images; large enough to be fast, small enough to stay out of the memory's way


class CIFAR10DataModule(LightningDataModule):
    """CIFAR-10, or another source of images, split, scaled and projected.

    Training and its validation run on features computed once; ``validate``, ``test`` and ``predict`` hand byte
    images to the network, which carries its own preprocessing. All statistics come from the training split.

    Args:
        source: Set of images: cifar10, cifar100, or digits (scikit-learn's 8 x 8 handwritten digits, 1,257 / 270 /
            270 images, always split by a stratified draw, no files needed).
        root: Folder that holds the set's own folder, e.g. cifar-10-batches-py. Not given: the environment variable
            CIFAR10_ROOT, else data/, where the set is then downloaded if missing.
        cache_dir: Folder where fitted PCAs are kept between runs.
        batch_size: Images per optimizer step on each device.
        split: report: the last val_size training images are for validation. random: a stratified draw of that many.
        val_size: Images held out for validation; null is the source's own number, 1000 for CIFAR.
        test_size: Test images used, from the first; null is all of them, 1000 is the report's test.
        num_folds: If given, stratified cross-validation with this many folds instead of split and val_size.
        fold: Fold held out for validation, from 0, under num_folds.
        sampling: epoch: every image once an epoch. replacement: every batch is drawn anew from all of them, as the
            report does; the images // batch_size steps are then called an epoch.
        scaling: symmetric: 0..255 to [-1, 1]. mean_image: pixels minus the training split's mean image.
            standardize: mean 0 and standard deviation 1 per channel over the training split.
        n_components: Principal components kept, at most the pixel values of an image; null keeps the pixels.
        whiten: Divide each component by sqrt(its variance + whiten_epsilon).
        whiten_epsilon: Added to the variances under whiten, in squared units of the scaled pixels.
        pca_solver: exact: covariance from exact integer moments. sklearn: scikit-learn's covariance_eigh, slower.
        dtype: Type in which features are held in memory; the network casts a batch to its own. null is float32,
            and for training under mixed precision bfloat16, to which the first layer would round them at each step.
        predict_path: Image files to predict: a file, a folder, or a list of them; null predicts the test images.
        output: CSV file that predict writes.
        seed: Decides splits and the order of training; the command line sets it by --seed_everything.

    Raises:
        ValueError: For settings that cannot work together or with the source; names the option.
    """

    def __init__(
        self,
        source: str = "cifar10",
        root: str | None = None,
        cache_dir: str = "~/.cache/cifar_mlp",
        batch_size: int = 200,
        split: Split = "report",
        val_size: int | None = None,
        test_size: int | None = None,
        num_folds: int | None = None,
        fold: int = 0,
        sampling: Sampling = "epoch",
        scaling: Scaling = "symmetric",
        n_components: int | None = None,
        whiten: bool = False,
        whiten_epsilon: float = 0.0,
        pca_solver: Solver = "exact",
        dtype: FeatureType | None = None,
        predict_path: str | list[str] | None = None,
        output: str = "predictions.csv",
        seed: int = 0,
    ) -> None:
        super().__init__()
        root = None if root is None else str(root)
        self.save_hyperparameters(logger=False)
        self.settings: dict[str, Any] = dict(self.hparams)
        for option, choices in {
            "source": tuple(SOURCES),
            "split": get_args(Split),
            "sampling": get_args(Sampling),
            "pca_solver": get_args(Solver),
            "dtype": (None, *get_args(FeatureType)),
        }.items():
            if self.settings[option] not in choices:
                raise ValueError(
                    f"--data.{option} must be one of {', '.join(map(str, choices))}, not {self.settings[option]!r}"
                )
        self.source = SOURCES[source]
        self.root, self.cache_dir, self.seed = root, cache_dir, seed
        self.val_size = self.source.default_val_size if val_size is None else val_size
        self.test_size = self.source.num_test if test_size is None else test_size
        self.predict_path, self.output = predict_path, output
        self.num_train = count_training_images(self.source.num_train, self.val_size, num_folds, fold)
        self.num_val = self.source.num_train - self.num_train
        for option, size, most, of_what in (
            ("batch_size", batch_size, self.num_train, "training"),
            ("test_size", self.test_size, self.source.num_test, "test"),
        ):
            if not 1 <= size <= most:
                raise ValueError(f"--data.{option} must lie between 1 and the {most} {of_what} images, not be {size}")
        self.preprocessing = Preprocessing(self.source.image_shape, scaling, n_components, whiten, whiten_epsilon)
        if n_components is not None and n_components > self.num_train:
            raise ValueError(
                f"--data.n_components {n_components} is more than the {self.num_train} training images: choose fewer"
            )
        self._fitted = False
        self._images: dict[Part, tuple[Tensor, Tensor]] = {}
        self._splits: dict[str, TensorSplit] = {}

    # What the network has to know, before any file is opened

    @property
    def num_features(self) -> int:
        """Features per image."""
        return self.preprocessing.num_features

    @property
    def num_classes(self) -> int:
        """Classes of the source."""
        return len(self.source.class_names)

    @property
    def metric_prefix(self) -> str:
        """Put before every metric's name, so that no other source's figures pass for CIFAR-10's."""
        return "" if self.source.name == "cifar10" else f"{self.source.name}/"

    # Lightning's hooks

    def prepare_data(self) -> None:
        """On one process of each machine: see that the files are there, and fit the PCA if no earlier run has."""
        for part in self._parts():
            self.source.prepare(self.root, part)
        if self.trainer is not None and self.trainer.state.fn == "fit":
            self._fit()

    def setup(self, stage: str) -> None:
        """On every process: load what ``stage`` needs.

        Args:
            stage: ``fit``, ``validate``, ``test`` or ``predict``.
        """
        if stage == "fit":
            self._fit()
        if stage in ("fit", "validate"):
            self._load_train_and_val(stage)
        elif stage == "test" or self.predict_path is None:
            images, labels = self._load("test")
            self._splits["test"] = TensorSplit(*self._on_device(images[: self.test_size], labels[: self.test_size]))
        else:
            find_image_files(self.predict_path)

    def train_dataloader(self) -> TrainingLoader:
        """Features and labels of the training split, in the sampling's order."""
        rank, world_size = self._rank()
        order = TrainingOrder(
            self.num_train, self.settings["batch_size"], self.settings["sampling"], self.seed, rank, world_size
        )
        return TrainingLoader(self._splits["train"], order, self.trainer)

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation split: features while fitting, byte images for ``validate``."""
        return self._sequential(self._splits["val"])

    def test_dataloader(self) -> DataLoader[Batch]:
        """The first ``test_size`` test images, as bytes."""
        return self._sequential(self._splits["test"])

    def predict_dataloader(self) -> DataLoader[Batch]:
        """The image files of ``predict_path``, else the test images, as bytes."""
        if self.predict_path is None:
            return self.test_dataloader()
        return self._sequential(ImageFiles(find_image_files(self.predict_path), self.source.image_shape))

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch that is not there yet."""
        if batch.inputs.device == device:
            return batch
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in batch))

    def require_test_files(self) -> None:
        """See that the test images can be read; a test after hours of training must not fail for want of them."""
        self.source.prepare(self.root, "test")
        self._load("test")

    # How it is done

    def _parts(self) -> list[Part]:
        function = "fit" if self.trainer is None else self.trainer.state.fn
        if function in ("fit", "validate"):
            return ["train"]
        return [] if function == "predict" and self.predict_path is not None else ["test"]

    def _load(self, part: Part) -> tuple[Tensor, Tensor]:
        if part not in self._images:
            self._images[part] = self.source.load(self.root, part, self.seed)
        return self._images[part]

    def _indices(self) -> tuple[Tensor, Tensor]:
        # The digits have no order of their own, so the report's split would mean nothing there.
        split: Split = "random" if self.source.name == "digits" else self.settings["split"]
        labels = self._load("train")[1]
        return train_val_indices(
            labels, split, self.val_size, self.settings["num_folds"], self.settings["fold"], self.seed
        )

    def _fit(self) -> None:
        if not self._fitted:
            images, train = self._load("train")[0], self._indices()[0]
            edition = {"source": self.source.name, "files": self.source.fingerprint()}
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

    def _load_train_and_val(self, stage: str) -> None:
        images, labels = self._load("train")
        train, val = self._indices()
        self.num_train, self.num_val = len(train), len(val)  # folds differ by an image
        if stage == "validate":
            self._splits["val"] = TensorSplit(*self._on_device(images[val], labels[val]))
            return
        for name, indices in (("train", train), ("val", val)):
            features = self.features(images, indices, self._feature_type(name))
            self._splits[name] = TensorSplit(*self._on_device(features, labels[indices]))

    def _feature_type(self, split: str) -> torch.dtype:
        if self.settings["dtype"] is not None:
            chosen: torch.dtype = getattr(torch, self.settings["dtype"])
            return chosen
        mixed = self.trainer is not None and self.trainer.precision == "bf16-mixed"
        return torch.bfloat16 if mixed and split == "train" else torch.float32

    def val_images(self) -> tuple[Tensor, Tensor]:
        """The validation split as it was loaded, for looking at: uint8 images and int64 labels, on the CPU."""
        images, labels = self._load("train")
        val = self._indices()[1]
        return images[val], labels[val]

    def features(self, images: Tensor, indices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features of the images at ``indices``, ``(len(indices), num_features)``, computed a chunk at a time."""
        features = torch.empty(len(indices), self.num_features, dtype=dtype)
        for rows, places in zip(features.split(EVALUATION_BATCH), indices.split(EVALUATION_BATCH), strict=True):
            rows.copy_(self.preprocessing(images[places]))
        return features

    def _sequential(self, split: TensorSplit | ImageFiles) -> DataLoader[Batch]:
        return evaluation_loader(split, SequentialOrder(len(split), EVALUATION_BATCH, *self._rank()))

    def _rank(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _on_device(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The whole split lives where it is used: batches are then cut there."""
        return tuple(tensor.to(self._device) for tensor in tensors)

    @property
    def _device(self) -> torch.device:
        return torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
