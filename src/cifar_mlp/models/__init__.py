"""Networks, and the Lightning modules that ``--model`` can name."""

from cifar_mlp.models.classifier import Classifier

__all__ = ["Classifier"]
