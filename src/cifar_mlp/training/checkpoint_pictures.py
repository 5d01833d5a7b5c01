"""Every picture of a trained network, from its checkpoint alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix

from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import Classifier
from cifar_mlp.pictures.answers import ask
from cifar_mlp.pictures.components import eigen_images, explained_variance, reconstructions
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.first_layer import first_layer_weights, pixel_gradients
from cifar_mlp.pictures.mistakes import class_averages, mistake_gallery
from cifar_mlp.pictures.reliability import reliability_diagram
from cifar_mlp.training.checkpoint import option_defaults, read_checkpoint


def checkpoint_of(run: Path, which: str = "best") -> Path:
    """The checkpoint that a path means: itself, or the best or last one of a run's folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = run / "checkpoints" / f"{which}.ckpt" if run.is_dir() else run
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    return path


def album(checkpoint: Path) -> Iterator[tuple[str, Figure]]:
    """Names and pictures, one after the other.

    Args:
        checkpoint: File of a network trained by this package. Pictures of its answers need the images that it was
            validated on: their place is the environment's, else the one that the checkpoint names.
    """
    content = read_checkpoint(str(checkpoint))
    model = Classifier.load_from_checkpoint(checkpoint, map_location="cpu").eval()
    options = option_defaults(content)
    data = CIFAR10DataModule(
        seed=options.get("seed_everything", 0),
        **{name.removeprefix("data."): value for name, value in options.items() if name.startswith("data.")},
    )
    data.prepare_data()
    yield from pictures(model, *data.val_images())


def pictures(model: Any, images: Tensor, labels: Tensor, stage: str = "Validation") -> Iterator[tuple[str, Figure]]:
    """Every picture that a network and some images give.

    Args:
        model: A classifier with its preprocessing.
        images: uint8 ``(N, channels, height, width)``.
        labels: int64 ``(N,)``.
        stage: What the images are, for the titles.
    """
    names, preprocessing = model.class_names, model.preprocessing
    affine = [module for module in model.network.modules() if isinstance(module, nn.Linear)]
    units = names if len(affine) == 1 else ()
    yield "first_layer_weights", first_layer_weights(pixel_gradients(affine[0].weight, preprocessing), units)
    if preprocessing.pca is not None:
        yield "eigen_images", eigen_images(preprocessing)
        yield "explained_variance", explained_variance(preprocessing, images)
        yield "reconstructions", reconstructions(preprocessing, images, labels, names)
    answers = ask(model, images, labels)
    counts = multiclass_confusion_matrix(answers.predicted, labels, len(names))
    yield "confusion_matrix", confusion_matrix(counts, names, stage)
    yield "reliability", reliability_diagram(answers, stage)
    yield "mistakes", mistake_gallery(answers, names, stage)
    yield "class_averages", class_averages(answers, names, stage)
