"""Networks, and the system that trains them. ``MLP`` needs PyTorch alone; ``Classifier`` loads Lightning too."""

from typing import TYPE_CHECKING

from cifar_mlp.common.lazy import lazy_names

__all__ = ["Classifier", "Ensemble", "HandwrittenClassifier"]

if TYPE_CHECKING:
    from cifar_mlp.models.classifier import Classifier
    from cifar_mlp.models.ensemble import Ensemble
    from cifar_mlp.models.handwritten import HandwrittenClassifier
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Classifier": "cifar_mlp.models.classifier",
            "Ensemble": "cifar_mlp.models.ensemble",
            "HandwrittenClassifier": "cifar_mlp.models.handwritten",
        },
    )
