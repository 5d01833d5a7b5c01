"""TensorBoard's projector: images as points, with thumbnails and classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.callbacks.board import Board, class_names, preprocessing_of
from cifar_mlp.callbacks.probe import evaluating, hidden_activations, labelled
from cifar_mlp.callbacks.view import View
from cifar_mlp.common.atomic_write import replacing, write_whole
from cifar_mlp.pictures.style import png, save
from cifar_mlp.pictures.tiles import as_rgb

DIMENSIONS = 50


class Projector(View):
    """Writes inputs, each hidden layer and the logits as points for the projector when training ends.

    Files go to the run's folder ``projector/``, each space reduced to its 50 leading directions. Points have
    thumbnails if the validation inputs are images.

    Args:
        num_images: Validation images shown, from the first.
    """

    def __init__(self, num_images: int = 500) -> None:
        super().__init__()
        self.num_images = num_images

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write the points, their classes, their thumbnails, and the config that TensorBoard looks for."""
        run = Path(board.writer.log_dir)
        inputs, labels = labelled(trainer, pl_module, self.num_images)
        given, preprocessing = inputs.to(pl_module.device), preprocessing_of(pl_module)
        with evaluating(pl_module):
            logits = pl_module(given).float().cpu()
            features = given if preprocessing is None else preprocessing(given)
        spaces = {"features": features.flatten(1).float().cpu(), **hidden_activations(pl_module, given)}
        spaces["logits"] = logits
        names = class_names(pl_module, logits.shape[1])
        true, predicted = ([names[label] for label in kind.tolist()] for kind in (labels, logits.argmax(1)))
        write_points(run, spaces, inputs, true, predicted)


def write_points(
    run: Path, spaces: dict[str, Tensor], inputs: Tensor, true: Sequence[str], predicted: Sequence[str]
) -> None:
    """Write the projector's files for one run.

    Args:
        run: The run's folder.
        spaces: Points ``(N, dimensions)`` by name.
        inputs: ``(N, ...)``; shown as thumbnails if they are ``(N, 1 or 3, height, width)``.
        true: Class of each point.
        predicted: Predicted class of each point.
    """
    folder = run / "projector"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{one}\t{two}\t{'right' if one == two else 'wrong'}" for one, two in zip(true, predicted, strict=True)]
    write_whole("\n".join(["class\tpredicted\tanswer", *rows]) + "\n", folder / "classes.tsv")
    thumbnails = ""
    if inputs.ndim == 4 and inputs.shape[1] in (1, 3):
        save(png(sprite(inputs)), folder / "thumbnails.png")
        height, width = inputs.shape[2:]
        sizes = f"single_image_dim: {width} single_image_dim: {height}"
        thumbnails = f'  sprite {{ image_path: "projector/thumbnails.png" {sizes} }}\n'
    entries = []
    for name, points in spaces.items():
        with replacing(folder / f"{name}.tsv") as unfinished:
            np.savetxt(unfinished, leading_directions(points, DIMENSIONS).numpy(), fmt="%.5g", delimiter="\t")
        entries.append(
            f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "projector/{name}.tsv"\n'
            f'  metadata_path: "projector/classes.tsv"\n{thumbnails}}}\n'
        )
    write_whole("".join(entries), run / "projector_config.pbtxt")


def leading_directions(points: Tensor, most: int) -> Tensor:
    """Principal coordinates of points ``(N, D)`` about their mean, at most ``most`` of them, by falling variance.

    An exact rotation: distances change only by what the dropped directions hold.
    """
    centred = points.double().nan_to_num(0.0, 0.0, 0.0)
    centred = centred - centred.mean(0)
    if centred.shape[1] <= most:
        return centred
    variances, directions = torch.linalg.eigh(centred @ centred.T)  # N x N: there are fewer points than pixels
    kept = slice(-min(most, len(points)), None)
    return (directions[:, kept] * variances[kept].clamp(min=0).sqrt()).flip(1)


def sprite(images: Tensor) -> np.ndarray:
    """Thumbnails in a square grid, uint8 ``(rows height, rows width, 3)``."""
    tiles = as_rgb(images)
    count, height, width, _ = tiles.shape
    side = int(np.ceil(np.sqrt(count)))
    sheet = np.full((side * side, height, width, 3), 255, np.uint8)
    sheet[:count] = tiles
    return sheet.reshape(side, side, height, width, 3).swapaxes(1, 2).reshape(side * height, side * width, 3)
