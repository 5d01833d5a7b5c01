"""How a classifier is judged: loss and metrics of validation and test, and the names they are logged under."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from cifar_mlp.models.averaged_views import VIEWS, mean_probabilities
from cifar_mlp.models.inputs import inputs_and_labels
from cifar_mlp.models.metrics import evaluation_metrics

REPORT_TEST_SIZE = 1_000  # the report tested on the first 1,000 test images


class Evaluated(LightningModule):
    """Gives a module its evaluation steps.

    Attributes:
        settings: ``metric_prefix`` and ``test_time``.
    """

    settings: dict[str, Any]

    def add_metrics(self, num_classes: int) -> None:
        """Make them; called when the module is made."""
        self.val_metrics, self.val_confusion = evaluation_metrics(num_classes)
        self.test_metrics, self.test_confusion = evaluation_metrics(num_classes)
        self.val_loss, self.test_loss = (MeanMetric(nan_strategy=math.nan) for _ in range(2))
        self.test_accuracy_report = MulticlassAccuracy(num_classes, average="micro")
        self.views_accuracy = MulticlassAccuracy(num_classes, average="micro")

    def metric_name(self, name: str) -> str:
        """The full name of a metric: the source's prefix, then e.g. ``val/accuracy``."""
        prefix = self.settings["metric_prefix"]
        return name if prefix and name.startswith(prefix) else prefix + name

    def metrics_of_fit(self, has_validation: bool = True) -> list[str]:
        """Full names of the metrics that training and its validation log."""
        names = ["train/loss", "train/accuracy"]
        if has_validation:
            names += ["val/loss", *(f"val/{name}" for name in self.val_metrics)]
        return [self.metric_name(name) for name in names]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of a batch of the validation split."""
        self._evaluate(batch, "val", self.val_metrics, self.val_confusion)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Metrics of a batch of test images, and separately those of the report's 1,000."""
        logits, labels = self._evaluate(batch, "test", self.test_metrics, self.test_confusion)
        data = getattr(self.trainer, "datamodule", None)
        indices = getattr(batch, "indices", None)
        if indices is not None and getattr(data, "test_size", 0) > REPORT_TEST_SIZE:
            in_report = indices < REPORT_TEST_SIZE
            if in_report.any():
                self.test_accuracy_report.update(logits[in_report], labels[in_report])
                self.log(self.metric_name("test/accuracy_first_1000"), self.test_accuracy_report, on_epoch=True)

    def _evaluate(
        self, batch: Any, stage: str, metrics: MetricCollection, confusion: MulticlassConfusionMatrix
    ) -> tuple[Tensor, Tensor]:
        inputs, labels = inputs_and_labels(batch)
        # Mixed precision is for training steps: reported numbers come from the saved float32 weights, on any machine.
        with torch.autocast(self.device.type, enabled=False):
            logits: Tensor = self(inputs)
            loss = cross_entropy(logits, labels)
        metrics.update(logits.float(), labels)
        confusion.update(logits, labels)
        named = {self.metric_name(f"{stage}/{name}"): metric for name, metric in metrics.items()}
        # A metric, since Lightning's own mean over processes rounds the number of images when it is odd.
        mean_loss = self.val_loss if stage == "val" else self.test_loss
        mean_loss.update(loss, len(labels))
        self.log(self.metric_name(f"{stage}/loss"), mean_loss, on_epoch=True)
        self.log_dict(named, on_epoch=True, prog_bar=stage == "val")
        test_time = self.settings["test_time"]
        if test_time != "none" and self.trainer.state.fn != "fit":  # its validation sees features
            with torch.autocast(self.device.type, enabled=False):
                self.views_accuracy.update(mean_probabilities(self, inputs, test_time), labels)
            name = self.metric_name(f"{stage}/accuracy_views{VIEWS[test_time]}")
            self.log(name, self.views_accuracy, on_epoch=True)
        return logits, labels

    def on_validation_epoch_start(self) -> None:
        """Start this epoch's confusion matrix."""
        self.val_confusion.reset()

    def on_test_epoch_start(self) -> None:
        """Start this test's confusion matrix."""
        self.test_confusion.reset()
