"""The first layer and the PCA, drawn in pixel space."""

from typing import Any

from torch import Tensor, nn

from cifar_mlp.callbacks.board import Board, LeftOut, NotDrawn, class_names, preprocessing_of
from cifar_mlp.callbacks.probe import labelled, require_images, validation_batch
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.components import eigen_images, explained_variance, reconstructions
from cifar_mlp.pictures.weight_images import first_layer_weights, pixel_gradients


class FirstLayerWeights(View):
    """Draws the weights of the first ``nn.Linear`` as images, ``views/first_layer_weights``.

    Weights are mapped back through the module's preprocessing (scaling, PCA) if it carries one; else the layer must
    take the flattened images.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        affine = [module for module in pl_module.modules() if isinstance(module, nn.Linear)]
        if not affine:
            raise NotDrawn("the module has no nn.Linear")
        preprocessing = preprocessing_of(pl_module)
        if preprocessing is not None:
            gradients = pixel_gradients(affine[0].weight, preprocessing)
        else:
            gradients = self._as_images(affine[0], validation_batch(trainer, pl_module, most=1)[0])
        names = class_names(pl_module, affine[0].out_features) if len(affine) == 1 else ()
        figure = first_layer_weights(gradients, names, f", after {board.step + 1:,} steps")
        board.figure("views/first_layer_weights", figure)

    def _as_images(self, first: nn.Linear, inputs: Tensor) -> Tensor:
        require_images(inputs)
        if inputs[0].numel() != first.in_features:
            raise NotDrawn(f"the first nn.Linear takes {first.in_features} inputs, not {inputs[0].numel()} pixels")
        return first.weight.detach().float().cpu().unflatten(1, inputs.shape[1:])


class Components(View):
    """Draws ``views/eigen_images``, ``.../explained_variance`` and ``.../reconstructions`` when training ends.

    The module must carry a preprocessing with a PCA, and the data module must have ``val_images()``.
    """

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        preprocessing = preprocessing_of(pl_module)
        if preprocessing is None or preprocessing.pca is None:
            raise LeftOut("the module has no preprocessing with a PCA")
        board.figure("views/eigen_images", eigen_images(preprocessing))
        images, labels = labelled(trainer, pl_module)
        names = class_names(pl_module, int(labels.max()) + 1)
        board.figure("views/explained_variance", explained_variance(preprocessing, images))
        board.figure("views/reconstructions", reconstructions(preprocessing, images, labels, names))
