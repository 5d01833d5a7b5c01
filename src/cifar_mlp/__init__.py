"""Fully connected networks on CIFAR-10, with gradients that are also derived by hand and proven right.

``import cifar_mlp`` costs nothing: the names below, and PyTorch with them, load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["MLP", "PCA", "CIFAR10DataModule", "Classifier", "Preprocessing"]

if TYPE_CHECKING:
    from cifar_mlp.data.datamodule import CIFAR10DataModule
    from cifar_mlp.data.pca import PCA
    from cifar_mlp.data.preprocessing import Preprocessing
    from cifar_mlp.models import Classifier
    from cifar_mlp.models.mlp import MLP
else:
    _MODULES = {
        "PCA": "cifar_mlp.data.pca",
        "MLP": "cifar_mlp.models.mlp",
        "CIFAR10DataModule": "cifar_mlp.data.datamodule",
        "Classifier": "cifar_mlp.models",
        "Preprocessing": "cifar_mlp.data.preprocessing",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)

    def __dir__():
        return sorted([*globals(), *__all__])
