"""Images as points: TensorBoard's projector, with thumbnails and classes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.callbacks.board import Board, class_names
from cifar_mlp.callbacks.examples import examples
from cifar_mlp.callbacks.hidden import hidden_activations
from cifar_mlp.callbacks.modes import evaluating
from cifar_mlp.callbacks.view import View
from cifar_mlp.pictures.style import png, save
from cifar_mlp.pictures.tiles import as_rgb

DIMENSIONS = 50


class Projector(View):
    """Writes features, each hidden layer and the logits of validation images for the projector, when training ends.

    Points lie in the run's folder ``projector/``, each space reduced to its 50 leading directions.

    Args:
        num_images: Images shown, from the first.
    """

    def __init__(self, num_images: int = 500) -> None:
        super().__init__()
        self.num_images = num_images

    def show(self, trainer: Any, pl_module: Any, board: Board) -> None:
        """Write the points, their classes, their thumbnails, and the file that TensorBoard looks for."""
        found = examples(trainer)
        if found is None or found[0].shape[1] not in (1, 3):
            return
        images, labels = (tensor[: self.num_images] for tensor in found)
        given = images.to(pl_module.device)
        preprocessing = getattr(pl_module, "preprocessing", None)
        with evaluating(pl_module):
            logits = pl_module(given).float().cpu()
            features = given.float() if preprocessing is None else preprocessing(given)
        spaces = {"features": features.flatten(1).float().cpu(), **hidden_activations(pl_module, given)}
        spaces["logits"] = logits
        names = class_names(pl_module, logits.shape[1])
        write_points(board.folder, spaces, images, [names[label] for label in labels.tolist()],
                     [names[label] for label in logits.argmax(1).tolist()])  # fmt: skip


def write_points(folder: Path, spaces: dict[str, Tensor], images: Tensor, true: list[str], said: list[str]) -> None:
    """The projector's files for one run.

    Args:
        folder: The run's.
        spaces: Points ``(N, dimensions)`` by name.
        images: Their thumbnails, ``(N, 1 or 3, height, width)``.
        true: Their classes.
        said: The predicted ones.
    """
    place = folder / "projector"
    place.mkdir(parents=True, exist_ok=True)
    rows = [f"{one}\t{other}\t{'right' if one == other else 'wrong'}" for one, other in zip(true, said, strict=True)]
    (place / "classes.tsv").write_text("\n".join(["class\tpredicted\tanswer", *rows]) + "\n")
    save(png(sprite(images)), place / "thumbnails.png")
    height, width = images.shape[2:]
    entries = []
    for name, points in spaces.items():
        np.savetxt(place / f"{name}.tsv", leading_directions(points, DIMENSIONS).numpy(), fmt="%.5g", delimiter="\t")
        entries.append(
            f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "projector/{name}.tsv"\n'
            '  metadata_path: "projector/classes.tsv"\n  sprite {\n    image_path: "projector/thumbnails.png"\n'
            f"    single_image_dim: {width}\n    single_image_dim: {height}\n  }}\n}}\n"
        )
    (folder / "projector_config.pbtxt").write_text("".join(entries))


def leading_directions(points: Tensor, most: int) -> Tensor:
    """Points ``(N, D)`` about their mean, turned so that variance falls, in at most ``most`` dimensions.

    Distances are kept but for what the dropped directions hold; nothing is scaled, and nothing is drawn at random.
    """
    centred = points.double().nan_to_num(0.0, 0.0, 0.0)
    centred = centred - centred.mean(0)
    if centred.shape[1] <= most:
        return centred
    variances, directions = torch.linalg.eigh(centred @ centred.T)  # N x N: there are fewer points than pixels
    kept = slice(-min(most, len(points)), None)
    return (directions[:, kept] * variances[kept].clamp(min=0).sqrt()).flip(1)


def sprite(images: Tensor) -> np.ndarray:
    """Thumbnails in a square of rows, uint8 ``(rows height, rows width, 3)``."""
    tiles = as_rgb(images)
    count, height, width, _ = tiles.shape
    side = int(np.ceil(np.sqrt(count)))
    sheet = np.full((side * side, height, width, 3), 255, np.uint8)
    sheet[:count] = tiles
    return sheet.reshape(side, side, height, width, 3).swapaxes(1, 2).reshape(side * height, side * width, 3)
