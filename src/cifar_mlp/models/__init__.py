"""Networks, and the system that trains them."""

from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.handwritten import HandwrittenClassifier

__all__ = ["Classifier", "HandwrittenClassifier"]
