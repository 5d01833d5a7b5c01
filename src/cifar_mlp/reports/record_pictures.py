"""The record's pictures: accuracy against what training costs, and what one network's predictions are like."""

from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torchmetrics.functional.classification import multiclass_confusion_matrix

from cifar_mlp.common.results import Document, Row
from cifar_mlp.common.spread import Sample
from cifar_mlp.models import Classifier
from cifar_mlp.models.averaged_views import VIEWS
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.galleries import error_gallery
from cifar_mlp.pictures.predictions import Predictions
from cifar_mlp.pictures.reliability import reliability_diagram
from cifar_mlp.pictures.style import BLUE, BODY, GREY, SMALL, new_figure, plain, save_figure, titled
from cifar_mlp.reports.record_rows import probabilities_of
from cifar_mlp.reports.record_tables import by_config, minutes, published_flop
from cifar_mlp.training.checkpoint import read_checkpoint
from cifar_mlp.training.checkpoint_data import data_of

Place = tuple[tuple[int, int], str]
BESIDE, ABOVE, BELOW = ((6, 3), "left"), ((0, 7), "center"), ((0, -11), "center")  # of a point, its name
CLOSE = 1.2  # percentage points: a name above would lie on the point there
MINUTES = (1, 2, 5, 10, 20, 50, 100)  # at the axis


def draw(document: Document, speed: Document, run: Path | None, folder: Path) -> list[Path]:
    """Draw the pictures into ``folder``; returns their files.

    Args:
        document: The record's.
        speed: Of the benchmark ``record``.
        run: Folder of a run, whose last checkpoint is shown on the test images; None draws accuracies alone.
        folder: Made if it is not there.

    Raises:
        FileNotFoundError: If the run has no checkpoint, or there are no images.
    """
    figures = {"accuracy": accuracy_per_cost(document, speed)}
    if run is not None:
        figures |= dict(of_network(run / "checkpoints" / "last.ckpt"))
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def accuracy_per_cost(document: Document, speed: Document) -> Figure:
    """Test accuracy against the operations and minutes of training: published networks, and ours with their spread."""
    figure = new_figure(10.4, 4.6)
    of_flop, of_minutes = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row in document["published"]:
        flop = published_flop(row)
        if flop is not None:
            of_flop.plot(flop, row["test"], "o", color=GREY, ms=5)
            _label(of_flop, flop, row["test"], row["what"], GREY)
    ours = by_config(document)
    mean = {name: Sample([100 * row["test_views"] for row in rows]).mean for name, rows in ours.items()}
    for name, rows in ours.items():
        place = BELOW if 0 < mean.get(f"{name}_all", 0) - mean[name] < CLOSE else ABOVE
        for axes, cost in ((of_flop, rows[0]["flop"]), (of_minutes, minutes(rows, speed))):
            _draw_ours(axes, cost, rows)
            _label(axes, cost, mean[name], name, BLUE, place)
    of_flop.set(xscale="log", ylabel="test accuracy, %")
    of_flop.set_xlabel("floating-point operations of the training (grey: estimated)")
    of_minutes.set(xscale="log", xlabel="minutes of the training on two CPU cores", xlim=(1, 150))
    of_minutes.set_xticks(MINUTES, [f"{minute}" for minute in MINUTES])
    of_minutes.minorticks_off()
    of_flop.set_xlim(right=of_flop.get_xlim()[1] * 6)  # room for names
    for axes in (of_flop, of_minutes):
        plain(axes)
    handles, labels = of_flop.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    of_flop.legend(shown.values(), shown.keys(), fontsize=BODY, frameon=False, loc="lower right")
    return titled(figure, "Fully connected networks on CIFAR-10, trained from scratch")


def _draw_ours(axes: Axes, cost: float, rows: list[Row]) -> None:
    for key, filled in (("test_views", True), ("test", False)):
        found = Sample([100 * row[key] for row in rows])
        face = BLUE if filled else "white"
        label = f"ours, {rows[0]['views']} views averaged" if filled else "ours, one view"
        axes.errorbar(cost, found.mean, found.deviation, fmt="D", color=BLUE, mfc=face, ms=6, capsize=3, label=label)


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


def _label(axes: Axes, x: float, y: float, text: str, colour: str, place: Place = BESIDE) -> None:
    offset, aligned = place
    axes.annotate(text, (x, y), offset, textcoords="offset points", ha=aligned, fontsize=SMALL, color=colour)
