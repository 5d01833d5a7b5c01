"""The record's runs: one row for each, from the folder that ``scripts/fit.sh`` leaves."""

import json
from pathlib import Path
from typing import Any

from cifar_mlp.common.json_rows import write_json_rows
from cifar_mlp.common.results import Row, config_fingerprint
from cifar_mlp.training.checkpoint import read_checkpoint

TRAINING_IMAGES = 50_000  # of CIFAR-10, validation included
VIEWS = "test/accuracy_views"


def add_runs(document: Path, runs: list[Path], configs: Path, busy: bool) -> None:
    """Put runs into the record's file; a run of the same config and seed replaces the former.

    Args:
        document: docs/record.json.
        runs: Folders of runs, each with its ``results.json`` and ``checkpoints/last.ckpt``.
        configs: Folder of the record's configs.
        busy: Whether other work ran beside them: their times are then not kept.

    Raises:
        ValueError: For a run of no config, or of a config that has changed since; names it.
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
