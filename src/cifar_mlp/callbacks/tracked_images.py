"""The same ten images over the epochs."""

from typing import Any

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.probe import evaluating, labelled, require_images
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.predictions import predict
from cifar_mlp.pictures.ten_images import first_of_each_class, ten_images

AMONG = 1_000  # validation images, from the first


class TenImages(View):
    """Draws the probabilities that ten validation images get, ``views/ten_images``, before and during training.

    The images are always the same: the first of each class, where there are ten classes. TensorBoard shows the epochs
    as one panel with a slider; it keeps ten of them unless started with ``--samples_per_plugin images=100``.
    """

    at_start = True

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        inputs, labels = labelled(trainer, pl_module, AMONG)
        require_images(inputs)
        chosen = first_of_each_class(labels)
        with evaluating(pl_module):
            found = predict(pl_module, inputs[chosen], labels[chosen], pl_module.device)
        epochs = trainer.fit_loop.epoch_progress.current.processed
        when = f"After epoch {epochs}" if epochs else "Before training"
        names = class_names(pl_module, found.probabilities.shape[1])
        board.figure("views/ten_images", ten_images(found, names, when))
