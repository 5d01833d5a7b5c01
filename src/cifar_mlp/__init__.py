"""Fully connected networks on CIFAR-10, with hand-derived gradients that are proven right.

``import cifar_mlp`` costs nothing: the names below, and PyTorch with them, load on first use.
"""

from typing import TYPE_CHECKING

from cifar_mlp.common.lazy import lazy_names

__version__ = "0.1.0"
__all__ = ["MLP", "PCA", "CIFAR10DataModule", "Classifier", "Preprocessing"]

if TYPE_CHECKING:
    from cifar_mlp.data.datamodule import CIFAR10DataModule
    from cifar_mlp.data.pca import PCA
    from cifar_mlp.data.preprocessing import Preprocessing
    from cifar_mlp.models.classifier import Classifier
    from cifar_mlp.models.mlp import MLP
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "CIFAR10DataModule": "cifar_mlp.data.datamodule",
            "Classifier": "cifar_mlp.models.classifier",
            "MLP": "cifar_mlp.models.mlp",
            "PCA": "cifar_mlp.data.pca",
            "Preprocessing": "cifar_mlp.data.preprocessing",
        },
    )


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
