"""What PCA keeps of the images."""

from typing import Any

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.examples import examples
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.components import eigen_images, explained_variance, reconstructions


class Components(View):
    """Draws ``pictures/eigen_images``, ``.../explained_variance`` and ``.../reconstructions`` at the end of training.

    Nothing where the module's ``preprocessing`` has no PCA.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Draw."""
        preprocessing, found = getattr(pl_module, "preprocessing", None), examples(trainer)
        if preprocessing is None or preprocessing.pca is None or found is None:
            return
        images, labels = found
        names = class_names(pl_module, int(labels.max()) + 1)
        board.figure("pictures/eigen_images", eigen_images(preprocessing))
        board.figure("pictures/explained_variance", explained_variance(preprocessing, images))
        board.figure("pictures/reconstructions", reconstructions(preprocessing, images, labels, names))
