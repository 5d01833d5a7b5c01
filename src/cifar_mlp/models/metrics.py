"""What validation and test measure."""

from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)


def evaluation_metrics(num_classes: int) -> tuple[MetricCollection, MulticlassConfusionMatrix]:
    """Accuracy, macro F1 and calibration error (15 bins), and beside them the confusion matrix."""
    metrics = MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            "calibration_error": MulticlassCalibrationError(num_classes, n_bins=15),
        }
    )
    return metrics, MulticlassConfusionMatrix(num_classes)
