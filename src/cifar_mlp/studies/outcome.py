"""What a study found: a table, predictions for images that were not trained on, a confusion matrix, an ensemble."""

import csv
from collections.abc import Sequence

import numpy as np
import torch
from rich.table import Table
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import replacing, write_whole
from cifar_mlp.common.results import Row
from cifar_mlp.common.spread import Sample
from cifar_mlp.models.ensemble import Ensemble
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.style import save_figure
from cifar_mlp.studies.members import TEST, VALIDATION, Seen, each, load_member, same_images, seen
from cifar_mlp.studies.study import SEEDS, StudyPlan
from cifar_mlp.training.ensemble_file import write_ensemble

METRICS = {"val/accuracy": "validation", "test/accuracy": "test"}
CAUTION = {
    SEEDS: "The interval is for the mean over seeds, on these images.",
    "cv": "Folds share training images, so their runs are not independent and the interval is rather too narrow.",
}


def lines_of(study: StudyPlan, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Heading and rows of the table: accuracy at the last epoch, each run, then mean, deviation and interval."""
    known = [metric for metric in METRICS if all(metric in row["last"] for row in rows)]
    heads = ["accuracy at the last epoch, %", *(METRICS[metric] for metric in known)]
    columns = [Sample([100 * row["last"][metric] for row in rows]) for metric in known]
    found = [
        [study.label(planned), *(f"{column.values[place]:.2f}" for column in columns)]
        for place, planned in enumerate(study.planned)
    ]
    found.append(["mean", *(f"{column.mean:.2f}" for column in columns)])
    if len(rows) > 1:
        found.append(["standard deviation", *(f"{column.deviation:.2f}" for column in columns)])
        found.append(["95 % interval", *("{:.2f} to {:.2f}".format(*column.interval()) for column in columns)])
    return heads, found


def write_outcome(study: StudyPlan, rows: Sequence[Row]) -> Table:
    """Write everything into the study's folder; returns the table for the terminal."""
    heads, found = lines_of(study, rows)
    paths = [study.checkpoint(planned) for planned in study.planned]
    models, parts = [], []
    for member, unseen in each(paths, VALIDATION):
        models.append(member.model)
        parts.append(unseen)
    write_predictions(study, parts, models[0].class_names)
    draw_confusion(study, parts, models[0].class_names)
    ensemble = Ensemble.of(models, validates=study.kind == SEEDS and same_images(parts)).eval()
    first = load_member(paths[0])
    tested = seen(first._replace(model=ensemble), TEST)
    accuracy = {"test/accuracy": float((tested.probabilities.argmax(1) == tested.labels).double().mean())}
    write_ensemble(ensemble, first.content, accuracy, study.folder / "ensemble.ckpt")
    blank = [""] * (len(heads) - 2)
    found.append(["ensemble of all", *blank, f"{100 * accuracy['test/accuracy']:.2f}"])
    text = markdown.table(heads, found, words=1) + f"\n{CAUTION[study.kind]}\n"
    write_whole(text, study.folder / "table.md")
    table = Table(*heads, title=f"{study.folder}: {len(rows)} runs", caption=CAUTION[study.kind])
    for line in found:
        table.add_row(*line)
    return table


def write_predictions(study: StudyPlan, parts: Sequence[Seen], names: Sequence[str]) -> None:
    """``predictions.npz`` and ``predictions.csv``: each run's for the training images that it held out."""
    runs = torch.cat([torch.full((len(part.labels),), place) for place, part in enumerate(parts)])
    indices, labels, probabilities = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("indices", "labels", "probabilities")
    )
    with replacing(study.folder / "predictions.npz") as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file, run=runs.numpy(), image=indices.numpy(), label=labels.numpy(), class_names=np.array(names),
            probabilities=probabilities.numpy(),
        )  # fmt: skip
    with (
        replacing(study.folder / "predictions.csv") as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as text,
    ):
        writer = csv.writer(text)
        writer.writerow(["run", "image", "class", "predicted", *names])
        labelled = [study.label(planned) for planned in study.planned]
        for run, index, label, row in zip(runs.tolist(), indices.tolist(), labels.tolist(), probabilities, strict=True):
            writer.writerow(
                [labelled[run], index, names[label], names[int(row.argmax())], *(f"{p:.6f}" for p in row.tolist())]
            )


def draw_confusion(study: StudyPlan, parts: Sequence[Seen], names: Sequence[str]) -> None:
    """``confusion.png``: the same predictions, counted."""
    counts = sum(multiclass_confusion_matrix(part.probabilities, part.labels, len(names)) for part in parts)
    assert isinstance(counts, Tensor)
    save_figure(confusion_matrix(counts, names, "Held out, all runs"), study.folder / "confusion.png")
