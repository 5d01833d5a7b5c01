"""The Lightning data module: a source, a split, a preprocessing, and batches on the right device."""

import torch
from torch.utils.data import DataLoader

from cifar_mlp.data.augment.options import Augment, require_two_labels
from cifar_mlp.data.checks import FeatureType
from cifar_mlp.data.cifar import Part
from cifar_mlp.data.features import CHUNK
from cifar_mlp.data.image_data import ImageData
from cifar_mlp.data.loader import (
    Batch,
    Sampling,
    SequentialOrder,
    TensorSplit,
    TrainingLoader,
    TrainingOrder,
    evaluation_loader,
)
from cifar_mlp.data.own_images.folder_images import FolderImages
from cifar_mlp.data.own_images.image_files import ImageFiles, find_image_files
from cifar_mlp.data.pca_fit import Solver
from cifar_mlp.data.preprocessing import Scaling
from cifar_mlp.data.splits import Split


class CIFAR10DataModule(ImageData):
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
            is nowhere, it is downloaded to data/.
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
        self.describe(dict(self.hparams))
        self.predict_path, self.output = predict_path, output
        self._splits: dict[str, TensorSplit | ImageFiles] = {}

    # Lightning's hooks

    def prepare_data(self) -> None:
        """On one process of each machine: check that the files are there, and fit the PCA if no earlier run has."""
        stage = None if self.trainer is None else self.trainer.state.fn
        for part in self._parts(stage):
            self.source.prepare(self.root, part, self.mirror)
        if self.trainer is not None and stage == "fit":
            require_two_labels(self.settings["augment"] or {}, self.trainer.lightning_module)
        if stage == "fit" or (stage is not None and not self.gives_bytes):
            self.fitting.fitted(self.device)

    def setup(self, stage: str | None = None) -> None:
        """On every process: load what ``stage`` needs.

        Args:
            stage: ``fit``, ``validate``, ``test`` or ``predict``; ``None`` loads all splits.
        """
        if "train" in self._parts(stage):
            images, labels = self.labelled.load("train")
            train, val = self.labelled.indices()
            if stage in ("fit", None):
                self._splits["train"] = self.training_split(images, labels, train)
            if stage in ("fit", "validate", None) and self.num_val:
                bytes_wanted = stage == "validate" and self.gives_bytes
                self._splits["val"] = self.split(images, labels, val, None if bytes_wanted else self.feature_type)
        if "test" in self._parts(stage):
            dtype = None if self.gives_bytes else self.feature_type
            self._splits["test"] = self.split(*self.labelled.load("test"), torch.arange(self.test_size), dtype)
            if isinstance(self.source, FolderImages):
                self._splits["test"].files = self.source.files_of("test", self.seed)
        if self.predict_path is not None and stage in ("predict", None):
            transform = None if self.gives_bytes else self.fitting.fitted(self.device)
            self._splits["predict"] = ImageFiles(
                find_image_files(self.predict_path), self.source.image_shape, transform
            )

    def train_dataloader(self) -> TrainingLoader:
        """Features and labels of the training split, in the order that ``sampling`` asks for."""
        rank, world_size = self.rank()
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
        self.labelled.load("test")

    # How it is done

    def _parts(self, stage: str | None) -> list[Part]:
        """The files that ``stage`` reads; features need a fitted preprocessing, and that the training images."""
        needs_fit = stage in ("test", "predict") and not (self.gives_bytes or self.fitting.is_fitted)
        parts: list[Part] = ["train"] if stage in ("fit", "validate", None) or needs_fit else []
        if stage in ("test", None) or (stage == "predict" and self.predict_path is None):
            parts.append("test")
        return parts

    def _loaded(self, name: str, stage: str) -> TensorSplit | ImageFiles:
        if name not in self._splits:
            raise ValueError(f"{name} images are not loaded: call prepare_data() and setup({stage!r}) first")
        return self._splits[name]

    def _sequential(self, split: TensorSplit | ImageFiles) -> DataLoader[Batch]:
        return evaluation_loader(split, SequentialOrder(len(split), CHUNK, *self.rank()))
