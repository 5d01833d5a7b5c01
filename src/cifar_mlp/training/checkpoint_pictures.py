"""All pictures of a trained network, from its checkpoint alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from cifar_mlp.models import Classifier
from cifar_mlp.pictures.components import eigen_images, explained_variance, reconstructions
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.galleries import class_averages, error_gallery
from cifar_mlp.pictures.predictions import predict
from cifar_mlp.pictures.reliability import reliability_diagram
from cifar_mlp.pictures.weight_images import first_layer_weights, pixel_gradients
from cifar_mlp.training.checkpoint import read_checkpoint
from cifar_mlp.training.checkpoint_data import data_of


def checkpoint_of(run: Path, which: str | None = None) -> Path:
    """A checkpoint's path: the given file, or the best or last checkpoint of the given run folder.

    Args:
        run: File or folder.
        which: best or last; ``None`` is the last of a run without a best.

    Raises:
        FileNotFoundError: If there is none.
    """
    folder = run / "checkpoints"
    if which is None:
        which = "best" if (folder / "best.ckpt").is_file() or not (folder / "last.ckpt").is_file() else "last"
    path = folder / f"{which}.ckpt" if run.is_dir() else run
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    return path


def album(checkpoint: Path) -> Iterator[tuple[str, Figure]]:
    """Name and figure of each picture of a network trained by this package.

    Args:
        checkpoint: File. The pictures need the images that it was validated on (without validation, the test images),
            from the data root of the environment, else from the one that the checkpoint names.

    Raises:
        FileNotFoundError: If there is no such file, or no images.
        ValueError: If it is not a checkpoint of this package.
    """
    content = read_checkpoint(str(checkpoint))
    if content.get("cifar_mlp", {}).get("model") == "Ensemble":
        raise ValueError(f"{checkpoint} is an ensemble: draw one of its members")
    model = Classifier.load_from_checkpoint(checkpoint, map_location="cpu").eval()
    data = data_of(content)
    data.prepare_data()
    if data.num_val:
        yield from pictures(model, *data.val_images())
    else:
        yield from pictures(model, *data.source.load(data.root, "test", data.seed), "Test")


def pictures(model: Any, images: Tensor, labels: Tensor, stage: str = "Validation") -> Iterator[tuple[str, Figure]]:
    """Name and figure of each picture of a network and some images.

    Args:
        model: A classifier with its preprocessing, on the CPU.
        images: uint8 ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
        stage: The data, for the titles.
    """
    names, preprocessing = model.class_names, model.preprocessing
    affine = [module for module in model.network.modules() if isinstance(module, nn.Linear)]
    units = names if len(affine) == 1 else ()
    yield "first_layer_weights", first_layer_weights(pixel_gradients(affine[0].weight, preprocessing), units)
    if preprocessing.pca is not None:
        yield "eigen_images", eigen_images(preprocessing)
        yield "explained_variance", explained_variance(preprocessing, images)
        yield "reconstructions", reconstructions(preprocessing, images, labels, names)
    predictions = predict(model, images, labels)
    counts = multiclass_confusion_matrix(predictions.predicted, labels, len(names))
    yield "confusion_matrix", confusion_matrix(counts, names, stage)
    yield "reliability", reliability_diagram(predictions, stage)
    yield "most_confident_errors", error_gallery(predictions, names, stage)
    yield "class_averages", class_averages(predictions, names, stage)
