"""The report's pictures and our own, from results and from the checkpoints kept."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from PIL import Image

from cifar_mlp.common.atomic_write import write_whole_bytes
from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Row, accuracies, of_config
from cifar_mlp.data.cifar import CIFAR10
from cifar_mlp.pictures import over_seeds
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.style import pixels
from cifar_mlp.reproduction.plan import BASELINE, LEAKY, STUDIES, TUNED, Study

WITH_CURVES = (BASELINE.config, TUNED.config)
WITH_WEIGHTS = (BASELINE.config, TUNED.config, LEAKY.config)
WITH_CONFUSION = (TUNED.config, LEAKY.config)
OF_PCA = {"explained_variance": "The spectrum of the PCA, and what the components keep together",
          "reconstructions": "Images from their first components",
          "eigen_images": "The leading components"}  # fmt: skip
Drawn = tuple[str, Figure, str]  # name, figure, caption


class Picture(NamedTuple):
    """A PNG file and what it shows."""

    path: Path
    caption: str


def pictures(rows: Sequence[Row], losses: Sequence[float] | None, runs: Path) -> Iterator[Drawn]:
    """Everything that there are results for.

    Args:
        rows: All runs.
        losses: Of the toy training.
        runs: Folder of the runs, for their checkpoints.
    """
    if losses is not None:
        title = f"Figure 1: toy training, loss {losses[0]:.6f} to {losses[-1]:.6f}"
        yield "toy_loss", over_seeds.loss_curve(losses, title), "The report's Figure 1: loss of the toy training (3a)"
    yield from _curves(rows)
    for name, study in STUDIES.items():
        settings = settings_of(study, rows, with_stated=not name.startswith(("rate", "width", "components")))
        if len(settings) > 1:
            title = f"Validation accuracy at the last epoch against {study.axis.split(',')[0]}"
            figure = over_seeds.accuracy_against(settings, study.axis, title)
            yield f"study_{name}", figure, f"{title}: every seed, and their mean"
    for config in WITH_CONFUSION:
        counts = [row["test/confusion"] for row in of_config(rows, config) if "test/confusion" in row]
        if counts:
            seeds = f"{len(counts)} seed{'s' if len(counts) > 1 else ''} together"
            figure = confusion_matrix(torch.tensor(counts).sum(0), CIFAR10.class_names, f"{config}, test, {seeds}")
            yield (
                f"confusion_{config}",
                figure,
                f"Confusion matrix of {REPORT[config].network}, all test images, {seeds}",
            )
    for config in WITH_WEIGHTS:
        yield from _from_checkpoint(config, runs / config)


def _curves(rows: Sequence[Row]) -> Iterator[Drawn]:
    curves = {config: [row["curves"] for row in of_config(rows, config) if "curves" in row] for config in REPORT}
    for config in WITH_CURVES:
        if curves[config]:
            name = REPORT[config].network
            yield f"curves_{config}", over_seeds.training_curves(curves[config], name), f"Loss and accuracy of {name}"
    networks = [
        (REPORT[config].network, seeds) for config, seeds in curves.items() if config.startswith("q4") and seeds
    ]
    if networks:
        figure = over_seeds.validation_of_networks(networks, "Question 4")
        yield "curves_q4", figure, "Validation accuracy of question 4's networks"


def _from_checkpoint(config: str, folder: Path) -> Iterator[Drawn]:
    """First-layer weights and PCA of the seed whose checkpoint was kept."""
    for checkpoint in sorted(folder.rglob("last.ckpt"))[:1]:
        from cifar_mlp.training.checkpoint_pictures import album  # it imports Lightning: only where it is needed

        for name, figure in album(checkpoint):
            if name == "first_layer_weights":
                way = ", through the inverse PCA" if config == TUNED.config else ""
                yield f"weights_{config}", figure, f"First-layer weights of {REPORT[config].network}{way}, one seed"
            elif name in OF_PCA:
                yield f"pca_{name}", figure, OF_PCA[name]


def settings_of(study: Study, rows: Sequence[Row], with_stated: bool) -> list[over_seeds.Setting]:
    """A study's accuracies, and the report's for its own configs."""
    settings = []
    for label, variant in study.variants.items():
        values = [100 * value for value in accuracies(variant.rows_in(rows), "last", "val/accuracy")]
        stated = REPORT[variant.config].val if with_stated and not variant.options else None
        settings += [over_seeds.Setting(label, values, stated)] if values else []
    return settings


def draw(rows: Sequence[Row], losses: Sequence[float] | None, output: Path, quick: bool) -> list[Picture]:
    """Write every picture below ``output/plots``, replacing an earlier report's."""
    folder = output / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, figure, caption in pictures(rows, losses, output / "runs"):
        if quick:
            look: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": 6.5, "color": "#B00000"}
            figure.text(0.995, 0.005, "quick: one epoch, one seed", **look)
        drawn.append(Picture(folder / f"{name}.png", caption))
        write_whole_bytes(png(figure), drawn[-1].path)
    for other in set(folder.glob("*.png")) - {picture.path for picture in drawn}:
        other.unlink()
    return drawn


def png(figure: Figure) -> bytes:
    """The picture in 256 colours: small and sharp."""
    small = io.BytesIO()
    few = Image.fromarray(pixels(figure)).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(small, format="png", optimize=True)
    return small.getvalue()
