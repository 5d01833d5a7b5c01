"""The report's pictures and our own, from results and from the checkpoints kept."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image

from cifar_mlp.common.atomic_write import write_whole_bytes
from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Row, accuracies, of_config
from cifar_mlp.data.cifar import CIFAR10
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.over_seeds import (
    Setting,
    accuracy_against,
    loss_curve,
    training_curves,
    validation_of_networks,
)  # fmt: skip
from cifar_mlp.reproduction.blocks import Picture
from cifar_mlp.reproduction.plan import LONGER, STUDIES, TUNED, Variant

SETTING = {
    "depth": "hidden layers", "dropout": "dropout after each hidden layer", "activation": "activation, epochs",
    "rate": "learning rate, steps", "width": "hidden units", "components": "principal components",
    "precision": "precision",
}  # fmt: skip
# What a config that stands as it is has in its study
PLACE_OF = {
    ("depth", "q4_two_layer"): "550", ("depth", "q4_three_layer"): "550-128",
    ("depth", "q4_four_layer"): "550-128-100", ("depth", "q4_five_layer"): "550-250-\n180-120",
    ("dropout", "q4_four_layer"): "none", ("dropout", "q4_dropout"): "0.1",
    ("activation", "q4_four_layer"): "ReLU\n20", ("activation", "q4_best"): "LeakyReLU\n25",
    ("rate", TUNED): "1e-3\n6,000", ("width", TUNED): "600", ("components", TUNED): "510",
    ("precision", "q4_best"): "32-true",
}  # fmt: skip
WITH_WEIGHTS = ("q3_baseline", TUNED, "q4_best")
WITH_CONFUSION = (TUNED, "q4_best")
OF_PCA = {"explained_variance": "The spectrum of the PCA, and what the components keep together",
          "reconstructions": "Images from their first components",
          "eigen_images": "The leading components"}  # fmt: skip


def pictures(
    rows: Sequence[Row], losses: Sequence[float] | None, runs: Path, quick: bool
) -> Iterator[tuple[str, Figure, str]]:
    """Name, picture and caption of everything that there are results for.

    Args:
        rows: All runs.
        losses: Of the toy training.
        runs: Folder of the runs, for their checkpoints.
        quick: Whether the runs are of one epoch.
    """
    if losses is not None:
        title = f"Figure 1: toy training, loss {losses[0]:.6f} to {losses[-1]:.6f}"
        yield "toy_loss", loss_curve(losses, title), "The report's Figure 1: loss of the toy training (3a)"
    for config in ("q3_baseline", TUNED):
        mine = with_curves(rows, config)
        if mine:
            name = REPORT[config].network
            figure = training_curves([row["curves"] for row in mine], name)
            yield f"curves_{config}", figure, f"Loss and accuracy of {name}"
    networks = [(REPORT[config].network, with_curves(rows, config)) for config in REPORT if config.startswith("q4")]
    found = [(name, [row["curves"] for row in mine]) for name, mine in networks if mine]
    if found:
        yield "curves_q4", validation_of_networks(found, "Question 4"), "Validation accuracy of question 4's networks"
    for study in STUDIES:
        settings = settings_of_study(study, rows)
        if len(settings) > 1:
            title = f"Validation accuracy at the last epoch against {SETTING[study].split(',')[0]}"
            figure = accuracy_against(settings, SETTING[study], "validation accuracy, %", title)
            yield f"study_{study}", figure, f"{title}: every seed, and their mean"
    for config in WITH_CONFUSION:
        counts = [row["test/confusion"] for row in of_config(rows, config) if "test/confusion" in row]
        if counts:
            seeds = f"{len(counts)} seed{'s' if len(counts) > 1 else ''} together"
            figure = confusion_matrix(torch.tensor(counts).sum(0), CIFAR10.class_names, f"{config}, test, {seeds}")
            yield (
                f"confusion_{config}",
                figure,
                f"Confusion of {REPORT[config].network}, all test images, {seeds}",
            )
    for config in WITH_WEIGHTS:
        yield from from_checkpoint(config, runs / (f"{config},quick" if quick else config))


def from_checkpoint(config: str, folder: Path) -> Iterator[tuple[str, Figure, str]]:
    """First-layer weights, and what there is to see of a PCA, of the seed whose checkpoint was kept."""
    for checkpoint in sorted(folder.rglob("last.ckpt"))[:1]:
        from cifar_mlp.training.checkpoint_pictures import (
            album,  # it brings all of Lightning: only where there is something to show
        )

        for name, figure in album(checkpoint):
            if name == "first_layer_weights":
                way = ", through the inverse PCA" if config == TUNED else ""
                yield f"weights_{config}", figure, f"First-layer weights of {REPORT[config].network}{way}, one seed"
            elif name in OF_PCA:
                yield f"pca_{name}", figure, OF_PCA[name]


def settings_of_study(study: str, rows: Sequence[Row]) -> list[Setting]:
    """A study's accuracies, and the report's where it states one."""
    settings = []
    for variant in STUDIES[study]:
        mine = of_config(rows, variant.config, *variant.options)
        if mine:
            values = [100 * value for value in accuracies(mine, "last", "val/accuracy")]
            stated = None if variant.options or study in ("rate", "width", "components") else REPORT[variant.config].val
            settings.append(Setting(place_name(study, variant), values, stated))
    return settings


def place_name(study: str, variant: Variant) -> str:
    """What stands below the axis."""
    if not variant.options:
        return PLACE_OF[study, variant.config]
    value = variant.options[1].strip("[]").replace(",", "-")
    if study == "depth":
        value = {"": "none\n(linear)", "550-250-180-120-100": "550-250-180-\n120-100"}[value]
    if study == "activation":
        words = {"20": "LeakyReLU\n20", "25": "ReLU\n25", "gelu": "GELU\n20", "silu": "SiLU\n20", "tanh": "tanh\n20"}
        return words[value]
    if study == "rate":
        return f"{value}\n{'18,000' if variant == LONGER else '6,000'}"
    return "all pixels" if value == "null" else value


def with_curves(rows: Sequence[Row], config: str) -> list[Row]:
    """A config's runs that kept their curves."""
    return [row for row in of_config(rows, config) if "curves" in row]


def draw(rows: Sequence[Row], losses: Sequence[float] | None, output: Path, quick: bool) -> list[Picture]:
    """Write every picture below ``output/plots`` as PNG of few colours, which are small and sharp."""
    folder = output / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, figure, caption in pictures(rows, losses, output / "runs", quick):
        if quick:
            figure.text(
                0.995, 0.005, "quick: one epoch, one seed", ha="right", va="bottom", fontsize=6.5, color="#B00000"
            )
        drawn.append(Picture(folder / f"{name}.png", caption))
        write_whole_bytes(png(figure), drawn[-1].path)
    for other in set(folder.glob("*.png")) - {picture.path for picture in drawn}:
        other.unlink()  # of an earlier report
    return drawn


def png(figure: Figure) -> bytes:
    """The picture, in 256 colours."""
    raw = io.BytesIO()
    figure.savefig(raw, format="png")
    with Image.open(raw) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()
