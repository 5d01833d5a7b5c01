"""The record's pictures: accuracy against training's operations, and what one network's predictions are like."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torchmetrics.functional.classification import multiclass_confusion_matrix

from cifar_mlp.common.results import Document
from cifar_mlp.common.spread import Sample
from cifar_mlp.models import Classifier
from cifar_mlp.models.averaged_views import VIEWS
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.galleries import error_gallery
from cifar_mlp.pictures.predictions import Predictions
from cifar_mlp.pictures.reliability import reliability_diagram
from cifar_mlp.pictures.style import BLUE, BODY, GREY, SMALL, new_figure, plain, save_figure, titled
from cifar_mlp.reports.record_rows import probabilities_of
from cifar_mlp.reports.record_tables import by_config, published_flop
from cifar_mlp.training.checkpoint import read_checkpoint
from cifar_mlp.training.checkpoint_data import data_of


def draw(document: Document, run: Path, folder: Path) -> list[Path]:
    """Draw all pictures into ``folder``; returns their files.

    Args:
        document: The record's.
        run: Folder of a run, whose last checkpoint is shown on the test images.
        folder: Made if it is not there.

    Raises:
        FileNotFoundError: If the run has no checkpoint, or there are no images.
    """
    figures = {"accuracy": accuracy_per_flop(document), **dict(of_network(run / "checkpoints" / "last.ckpt"))}
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def accuracy_per_flop(document: Document) -> Figure:
    """Test accuracy against the operations of training: published networks, and ours with their spread over seeds."""
    figure = new_figure(7.4, 4.6)
    axes = figure.add_subplot()
    for row in document["published"]:
        flop = published_flop(row)
        if flop is not None:
            axes.plot(flop, row["test"], "o", color=GREY, ms=5)
            _label(axes, flop, row["test"], row["what"], GREY)
    for name, rows in by_config(document).items():
        for key, filled in (("test_views", True), ("test", False)):
            found = Sample([100 * row[key] for row in rows])
            face = BLUE if filled else "white"
            label = f"ours, {rows[0]['views']} views averaged" if filled else "ours, one view"
            axes.errorbar(rows[0]["flop"], found.mean, found.deviation, fmt="D", color=BLUE, mfc=face, ms=6, capsize=3,
                          label=label)  # fmt: skip
            if filled:
                _label(axes, rows[0]["flop"], found.mean, name, BLUE, above=True)  # ours are close to each other
    axes.set(xscale="log", ylabel="test accuracy, %")
    axes.set_xlabel("floating-point operations of the training (grey: estimated)")
    axes.set_xlim(right=axes.get_xlim()[1] * 6)  # room for names
    plain(axes)
    handles, labels = axes.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    axes.legend(shown.values(), shown.keys(), fontsize=BODY, frameon=False, loc="lower right")
    return titled(figure, "Fully connected networks on CIFAR-10, trained from scratch")


def of_network(checkpoint: Path) -> Iterator[tuple[str, Figure]]:
    """Confusion, calibration and most confident errors of a network on the test images, its views averaged."""
    content = read_checkpoint(str(checkpoint))
    model = Classifier.load_from_checkpoint(checkpoint, map_location="cpu").eval()
    data = data_of(content)
    images, labels = data.source.load(data.root, "test", data.seed)
    test_time = model.settings["test_time"]
    predictions = Predictions(images, labels, probabilities_of(model, images, test_time))
    title = f"Test, {VIEWS[test_time]} views averaged"
    counts = multiclass_confusion_matrix(predictions.predicted, labels, len(model.class_names))
    yield "confusion", confusion_matrix(counts, model.class_names, title)
    yield "reliability", reliability_diagram(predictions, title)
    yield "errors", error_gallery(predictions, model.class_names, title)


def _label(axes: Axes, x: float, y: float, text: str, colour: str, above: bool = False) -> None:
    place, aligned = ((0, 7), "center") if above else ((6, 3), "left")
    axes.annotate(text, (x, y), place, textcoords="offset points", ha=aligned, fontsize=SMALL, color=colour)
