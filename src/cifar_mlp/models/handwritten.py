"""The former name of ``Classifier(gradients="hand")``."""

from collections.abc import Sequence
from typing import Any, Literal

from lightning.pytorch.cli import OptimizerCallable
from torch.optim import SGD

from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.initialization import Initialization


class HandwrittenClassifier(Classifier):
    """``Classifier(gradients="hand")`` under its former name and defaults, which old configs and checkpoints rely on.

    Args:
        hidden_sizes: Units of each hidden layer, from input to output; [] is linear softmax regression.
        initialization: default, kaiming or normal, see Classifier.
        optimizer: A torch.optim class with its settings.
        gradients: hand.
        settings: See Classifier.
    """

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (50,),
        initialization: Initialization = "normal",
        optimizer: OptimizerCallable = SGD,
        gradients: Literal["hand"] = "hand",
        **settings: Any,
    ) -> None:
        super().__init__(
            hidden_sizes=hidden_sizes,
            initialization=initialization,
            optimizer=optimizer,
            gradients=gradients,
            **settings,
        )
