"""Networks, and the Lightning modules that ``--model`` can name."""

from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.handwritten import HandwrittenClassifier

__all__ = ["Classifier", "HandwrittenClassifier"]
