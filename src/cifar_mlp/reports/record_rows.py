"""The record's runs: one row for each, from the folder that ``scripts/fit.sh`` leaves."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from cifar_mlp.common.json_files import write_json_rows
from cifar_mlp.common.results import Row, config_fingerprint
from cifar_mlp.common.run_folder import flat
from cifar_mlp.models import Classifier, Ensemble
from cifar_mlp.models.averaged_views import TestTime, mean_probabilities
from cifar_mlp.training.checkpoint import read_checkpoint
from cifar_mlp.training.checkpoint_data import data_of

EVALUATED = 500  # images at a time, of several views
TRAINING_IMAGES = 50_000  # of CIFAR-10, validation included
VIEWS = "test/accuracy_views"
# Options that any run may have; an interrupted one is resumed.
FREE = {"--config", "--seed_everything", "--trainer.default_root_dir", "--data.root", "--ckpt_path", "--resume"}


def add_runs(document: Path, runs: list[Path], configs: Path, busy: bool) -> None:
    """Put runs into the record's file; a run of the same config and seed replaces the former.

    Args:
        document: docs/record.json.
        runs: Folders of runs, each with its ``results.json`` and ``checkpoints/last.ckpt``.
        configs: Folder of the record's configs.
        busy: Whether other work ran beside them: their times are then not kept.

    Raises:
        ValueError: For a run of no config, or with other settings than its config says; names them.
        OSError: For a file that is missing.
    """
    content: dict[str, Any] = json.loads(document.read_text())
    rows = {(row["config"], row["seed"]): row for row in content["runs"]}
    for row in (record_row(run, configs, busy) for run in runs):
        rows[row["config"], row["seed"]] = row
    content["runs"] = [rows[key] for key in sorted(rows)]
    write_json_rows(document, content, ["published", "runs"])


def record_row(run: Path, configs: Path, busy: bool) -> Row:
    """Accuracies at the last epoch, what they cost, and where they come from."""
    results = json.loads((run / "results.json").read_text())
    config = configs / f"{results['config']}.yaml"
    if not config.is_file():
        raise ValueError(f"{run}: {results['config']} is no config of {configs}")
    last, provenance = results["last"], results["provenance"]
    require_same_settings(run, config, provenance["command"])
    checkpoint = read_checkpoint(str(run / "checkpoints" / "last.ckpt"))
    (views,) = [name for name in last if name.startswith(VIEWS)] or [None]
    val, val_views = (last.get(name) for name in ("val/accuracy", (views or "").replace("test/", "val/")))
    images = TRAINING_IMAGES - last.get("val/images", 0)
    return {
        "config": config.stem,
        "settings": config_fingerprint(config),
        "seed": provenance["seed"],
        "epochs": last["epoch"],
        "images": images,
        "val": None if val is None else round(val, 4),
        "val_views": None if val_views is None else round(val_views, 4),
        "test": round(last["test/accuracy"], 4),
        "views": 1 if views is None else int(views.removeprefix(VIEWS)),
        "test_views": round(last[views or "test/accuracy"], 4),
        "parameters": sum(value.numel() for value in _layers(checkpoint)),
        "flop": float(f"{images * last['epoch'] * flop_of_an_image(checkpoint):.3g}"),
        "seconds": None if busy else provenance["fit_seconds"],
        **{name: provenance[name] for name in ("commit", "date", "device", "precision", "torch")},
    }


def require_same_settings(run: Path, config: Path, command: str) -> None:
    """See that a run is of its config as it stands: one changed since, or options beside it, are another network.

    Raises:
        ValueError: For the first other setting; names it.
    """
    try:
        asked, used = (_plain_settings(path) for path in (config, run / "config.yaml"))
    except yaml.YAMLError as error:
        raise ValueError(f"{run} or {config} has a broken config: {' '.join(str(error).split())}") from error
    for name, value in asked.items():
        if used.get(name) != value:
            raise ValueError(
                f"{run}: trained with {name} {used.get(name)}, and {config.name} says {value}: train it again"
            )
    for option in (word.partition("=")[0] for word in command.split() if word.startswith("--")):
        if option not in FREE and not option.startswith("--views."):
            raise ValueError(f"{run}: trained with {option}, which {config.name} does not say: train it without")


def _plain_settings(path: Path) -> dict[str, Any]:
    settings = flat(yaml.safe_load(path.read_text()))
    return {name.replace(".init_args", ""): value for name, value in settings.items()}


def add_ensemble(document: Path, runs: list[Path], configs: Path) -> None:
    """Put the average of several runs of one config into the record's file, tested on all images, in place of a former.

    Args:
        document: docs/record.json.
        runs: Folders of runs, whose rows are in the file.
        configs: Folder of the record's configs.

    Raises:
        ValueError: For runs of several configs, or a run whose row is not in the file.
    """
    content: dict[str, Any] = json.loads(document.read_text())
    rows = [record_row(run, configs, busy=True) for run in runs]
    known = {(row["config"], row["seed"]): row for row in content["runs"]}
    names = {row["config"] for row in rows}
    if len(names) > 1 or any((row["config"], row["seed"]) not in known for row in rows):
        raise ValueError("an ensemble is of runs of one config that are in docs/record.json: add them by --record")
    paths = [run / "checkpoints" / "last.ckpt" for run in runs]
    members = [Classifier.load_from_checkpoint(path, map_location="cpu").eval() for path in paths]
    ensemble = Ensemble.of(members, validates=True).eval()
    data = data_of(read_checkpoint(str(paths[0])))
    images, labels = data.source.load(data.root, "test", data.seed)
    content.setdefault("ensembles", [])
    content["ensembles"] = [row for row in content["ensembles"] if row["config"] not in names] + [
        {
            "config": rows[0]["config"],
            "seeds": [row["seed"] for row in rows],
            "test": accuracy_of(ensemble, images, labels, "none"),
            "views": rows[0]["views"],
            "test_views": accuracy_of(ensemble, images, labels, ensemble.settings["test_time"]),
        }
    ]
    write_json_rows(document, content, ["published", "runs", "ensembles"])


def accuracy_of(model: Classifier, images: Tensor, labels: Tensor, test_time: TestTime) -> float:
    """Share of right answers, the views averaged."""
    found = probabilities_of(model, images, test_time).argmax(1)
    return round(float((found == labels).double().mean()), 4)


@torch.inference_mode()
def probabilities_of(model: Classifier, images: Tensor, test_time: TestTime) -> Tensor:
    """Of each class, float32 ``(N, classes)``: the mean over the views."""
    return torch.cat([mean_probabilities(model, part, test_time) for part in images.split(EVALUATED)])


def flop_of_an_image(checkpoint: dict[str, Any]) -> int:
    """Floating-point operations to train on one image: projection, forward and backward, matmuls alone."""
    weights = [value.numel() for value in _layers(checkpoint) if value.ndim == 2]
    matmuls = 6 * sum(weights) - 2 * weights[0]  # nothing needs the gradient of the features
    components = checkpoint["state_dict"].get("preprocessing.pca.components")
    augmented = checkpoint["datamodule_hyper_parameters"].get("augment")  # else features are projected once
    return matmuls + (2 * components.numel() if augmented and components is not None else 0)


def _layers(checkpoint: dict[str, Any]) -> list[Any]:
    """Weights and biases of the network, by layer; running statistics are no parameters."""
    return [
        value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith("network.") and name.endswith((".weight", ".bias"))
    ]
