"""The system around a network: loss, metrics, optimizer, and what a checkpoint must hold."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.initialization import Initialization
from cifar_mlp.models.mlp import MLP, Activation, Normalization
from cifar_mlp.models.recipes import from_recipe, fused, override_restored, to_recipe, try_out
from cifar_mlp.models.training_mean import TrainingMean

REPORT_TEST_SIZE = 1_000  # the report tested on the first 1,000 test images


class Classifier(LightningModule):
    """A fully connected network that classifies images, trained by cross-entropy.

    Given byte images it applies the preprocessing that it carries; given features it takes them as they are.

    Args:
        in_features: Inputs per image; the command line takes it from the data.
        num_classes: Classes; the command line takes it from the data.
        metric_prefix: Put before the name of every metric; the command line takes it from the data.
        hidden_sizes: Units of each hidden layer, from input to output; [] is linear softmax regression.
        activation: Non-linearity of the hidden layers: relu, leaky_relu (slope 0.01), gelu, silu or tanh.
        dropout: Probability of dropping a hidden unit while training, in [0, 1).
        normalization: What normalizes each hidden layer before its activation: none, batch or layer.
        initialization: default: PyTorch's own. kaiming: normal, variance 2 / fan_in, zero biases. normal: normal
            with standard deviation init_std, zero biases.
        init_std: Standard deviation of the weights under initialization normal.
        label_smoothing: Share of each target spread evenly over the classes in the training loss, in [0, 1).
        optimizer: A torch.optim class with its settings, e.g. Adam with optimizer.lr and optimizer.weight_decay. Its
            fused step is used where it has one, unless fused or foreach is set.
        lr_scheduler: A torch.optim.lr_scheduler class with its settings, or null for a constant rate. ExponentialLR
            with gamma 0.95 is the report's decay by 0.95 an epoch.
        lr_interval: Whether the schedule advances once an epoch or once a step.

    Raises:
        ValueError: For settings that cannot be; names the option.
    """

    def __init__(
        self,
        in_features: int = 3072,
        num_classes: int = 10,
        metric_prefix: str = "",
        hidden_sizes: Sequence[int] = (550, 128, 100),
        activation: Activation = "relu",
        dropout: float = 0.0,
        normalization: Normalization = "none",
        initialization: Initialization = "default",
        init_std: float = 1e-4,
        label_smoothing: float = 0.0,
        optimizer: OptimizerCallable = Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
    ) -> None:
        super().__init__()
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing must lie in [0, 1), not be {label_smoothing}")
        self.network = MLP(
            in_features, num_classes, hidden_sizes, activation, dropout, normalization, initialization, init_std
        )
        self.settings: dict[str, Any] = {
            "in_features": in_features,
            "num_classes": num_classes,
            "metric_prefix": metric_prefix,
            "hidden_sizes": list(hidden_sizes),
            "activation": activation,
            "dropout": dropout,
            "normalization": normalization,
            "initialization": initialization,
            "init_std": init_std,
            "label_smoothing": label_smoothing,
            "optimizer": to_recipe(optimizer),
            "lr_scheduler": None if lr_scheduler is None else to_recipe(lr_scheduler),
            "lr_interval": lr_interval,
        }
        try_out(self.settings["optimizer"], self.settings["lr_scheduler"], self.network.parameters())
        self.save_hyperparameters(self.settings, logger=False)
        self.preprocessing: Preprocessing | None = None
        self.class_names = [str(label) for label in range(num_classes)]
        self.training_mean = TrainingMean()
        self.val_metrics, self.val_confusion = _evaluation_metrics(num_classes)
        self.test_metrics, self.test_confusion = _evaluation_metrics(num_classes)
        self.test_accuracy_report = MulticlassAccuracy(num_classes, average="micro")

    def setup(self, stage: str) -> None:
        """Take the fitted preprocessing over from the data, unless a checkpoint brought its own."""
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and data is not None:
            self.preprocessing = data.preprocessing
            self.class_names = list(data.source.class_names)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of byte images ``(N, channels, height, width)`` or of features ``(N, K)``.

        Raises:
            ValueError: For byte images where no preprocessing has been fitted or loaded.
        """
        if inputs.dtype == torch.uint8:
            if self.preprocessing is None:
                raise ValueError("byte images need a fitted preprocessing: train first, or load a checkpoint")
            inputs = self.preprocessing(inputs)
        # Autocast would round the first layer's inputs to bfloat16: those that are so already stay.
        if not (torch.is_autocast_enabled(inputs.device.type) and inputs.dtype == torch.bfloat16):
            inputs = inputs.to(self.network.output.weight.dtype)
        logits: Tensor = self.network(inputs)
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch of features."""
        logits = self(batch.inputs)
        loss = cross_entropy(logits, batch.labels, label_smoothing=self.settings["label_smoothing"])
        self.training_mean.add(loss, logits, batch.labels)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """At an epoch's last step, log its means."""
        if self.trainer.is_last_batch:
            self._log_training_mean()

    def on_train_epoch_end(self) -> None:
        """Log the means of an epoch that a limit cut short."""
        self._log_training_mean()

    def _log_training_mean(self) -> None:
        means = self.training_mean.read()
        if means is not None:
            for name, mean in zip(("loss", "accuracy"), means, strict=True):
                self.log(self.metric_name(f"train/{name}"), mean, on_step=False, on_epoch=True, sync_dist=True)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of a batch of the validation split."""
        self._evaluate(batch, "val", self.val_metrics, self.val_confusion)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of a batch of test images, and apart from them those of the report's 1,000."""
        logits = self._evaluate(batch, "test", self.test_metrics, self.test_confusion)
        in_report = batch.indices < REPORT_TEST_SIZE
        data = getattr(self.trainer, "datamodule", None)
        larger = getattr(data, "test_size", 0) > REPORT_TEST_SIZE
        if larger and in_report.any():
            self.test_accuracy_report.update(logits[in_report], batch.labels[in_report])
            self.log(self.metric_name("test/accuracy_first_1000"), self.test_accuracy_report, on_epoch=True)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Probability of each class, ``(N, classes)``."""
        with torch.autocast(self.device.type, enabled=False):
            return torch.softmax(self(batch.inputs).float(), dim=1)

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule, from their recipes."""
        # Lightning clips no gradients ahead of a fused step under mixed precision.
        may_fuse = not (self.trainer.gradient_clip_val and "mixed" in str(self.trainer.precision))
        recipe = fused(self.settings["optimizer"]) if may_fuse else self.settings["optimizer"]
        optimizer = from_recipe(recipe)(self.network.parameters())
        if self.settings["lr_scheduler"] is None:
            return optimizer
        schedule: dict[str, Any] = {
            "scheduler": from_recipe(self.settings["lr_scheduler"])(optimizer),
            "interval": self.settings["lr_interval"],
        }
        if hasattr(schedule["scheduler"], "monitor"):  # a schedule that waits for a plateau names what it watches
            schedule["monitor"] = self.metric_name(schedule["scheduler"].monitor)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def metric_name(self, name: str) -> str:
        """The full name of a metric: the source's prefix, then e.g. ``val/accuracy``."""
        return f"{self.settings['metric_prefix']}{name}"

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the tensors alone do not say."""
        checkpoint["cifar_mlp"] = {
            "model": type(self).__name__,
            "preprocessing": None if self.preprocessing is None else self.preprocessing.spec,
            "class_names": self.class_names,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for the checkpoint's preprocessing; its tensors follow with the weights."""
        extra = checkpoint["cifar_mlp"]
        self.class_names = extra["class_names"]
        if extra["preprocessing"] is not None:
            self.preprocessing = Preprocessing(**extra["preprocessing"]).to(self.device)
        override_restored(checkpoint, self.settings["optimizer"], self.settings["lr_scheduler"])

    def _evaluate(
        self, batch: Any, stage: str, metrics: MetricCollection, confusion: MulticlassConfusionMatrix
    ) -> Tensor:
        # Mixed precision is for training steps: what is reported is what the saved weights answer anywhere.
        with torch.autocast(self.device.type, enabled=False):
            logits: Tensor = self(batch.inputs)
            loss = cross_entropy(logits, batch.labels)
        metrics.update(logits.float(), batch.labels)
        confusion.update(logits, batch.labels)
        named = {self.metric_name(f"{stage}/{name}"): metric for name, metric in metrics.items()}
        self.log(self.metric_name(f"{stage}/loss"), loss, on_epoch=True, batch_size=len(batch.labels), sync_dist=True)
        self.log_dict(named, on_epoch=True, prog_bar=stage == "val")
        return logits

    def on_validation_epoch_start(self) -> None:
        """Count this epoch's confusions only."""
        self.val_confusion.reset()

    def on_test_epoch_start(self) -> None:
        """Count this test's confusions only."""
        self.test_confusion.reset()


def _evaluation_metrics(num_classes: int) -> tuple[MetricCollection, MulticlassConfusionMatrix]:
    metrics = MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            "calibration_error": MulticlassCalibrationError(num_classes, n_bins=15),
        }
    )
    return metrics, MulticlassConfusionMatrix(num_classes)
