"""What each ingredient of a record config is worth: training without it."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from cifar_mlp.cli import run
from cifar_mlp.common import markdown
from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.json_files import read_json, write_json_rows
from cifar_mlp.common.provenance import provenance
from cifar_mlp.common.results import percent
from cifar_mlp.common.spread import Sample

WHOLE = "nothing (the config)"
WITHOUT: dict[str, list[str]] = {
    "whitening": ["--data.whiten=false", "--data.whiten_epsilon=0"],
    "PCA (pixels instead)": ["--data.n_components=null", "--data.whiten=false", "--data.whiten_epsilon=0"],
    "mirror images in the PCA": ["--data.pca_mirror=false"],
    "batch normalization": ["--model.normalization=none"],
    "GELU (ReLU instead)": ["--model.activation=relu"],
    "label smoothing": ["--model.label_smoothing=0"],
    "weight decay": ["--model.optimizer.weight_decay=0"],
    "warm-up and cosine (constant rate)": ["--model.lr_scheduler=null", "--model.lr_interval=epoch"],
}


def ingredients(config: Path) -> dict[str, list[str]]:
    """What can be left out, and the options of ``fit`` that do it: each change of the images alone, then the rest.

    Args:
        config: Of ``fit``.
    """
    augment = (load_yaml(config.read_text()).get("data") or {}).get("augment") or {}
    found = {name: {other: augment[other] for other in augment if other != name} for name in augment}
    changed = {name: [f"--data.augment={json.dumps(rest or None)}"] for name, rest in found.items()}
    if len(augment) > 1:
        changed["any augmentation"] = ["--data.augment=null"]
    return {**changed, **WITHOUT}


def measure(
    options: Sequence[str], seeds: Sequence[int], folder: Path, without: Mapping[str, list[str]]
) -> dict[str, Any]:
    """Train once with each seed whole, then without each ingredient; the test set is not read.

    Args:
        options: Of ``cifar-mlp fit``, for all runs.
        seeds: Of each.
        folder: Of the runs and ``ablation.json``; what is there already is not trained again.
        without: What to leave out, and the options that do it.

    Returns:
        The content of ``ablation.json``: validation accuracy at the last epoch, a row for each run.

    Raises:
        ValueError: If the folder holds runs with other options.
    """
    kept = folder / "ablation.json"
    found: dict[str, Any] = {"schema": 1, "options": list(options), "provenance": {}, "rows": []}
    if kept.is_file():
        found = read_json(kept)
    if found.get("schema") != 1:
        raise ValueError(f"{kept} is of another version: choose another --output")
    if found["options"] != list(options):
        raise ValueError(f"--output {folder} holds runs with {' '.join(found['options'])}: choose another folder")
    for (name, changed), seed in product({WHOLE: [], **without}.items(), seeds):
        if any((row["without"], row["seed"]) == (name, seed) for row in found["rows"]):
            continue
        place = folder / "runs" / f"{name.replace(' ', '_')}-{seed}"
        command = run(["fit", *options, *changed, "--seed_everything", str(seed), *_in(place)])
        accuracy = command.trainer.callback_metrics[command.model.metric_name("val/accuracy")]
        found["rows"].append({"without": name, "seed": seed, "validation": round(float(accuracy), 4)})
        found["epochs"] = command.trainer.current_epoch
        found["provenance"] = provenance(command.trainer.strategy.root_device)
        write_json_rows(kept, found, ["rows"])
    return found


def _in(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return ["--trainer.default_root_dir", str(folder)]


def table(found: Mapping[str, Any]) -> str:
    """Markdown: accuracy, and the difference from the whole with its 95 % interval over paired seeds.

    Args:
        found: What :func:`measure` returns.
    """
    values: dict[str, dict[int, float]] = {}
    for row in found["rows"]:
        values.setdefault(row["without"], {})[row["seed"]] = row["validation"]
    whole, lines = values[WHOLE], []
    for name, by_seed in values.items():
        gain = Sample([100 * (value - whole[seed]) for seed, value in by_seed.items()])
        interval = f"{gain.mean:+.1f} ± {gain.half():.1f}" if len(by_seed) > 1 else f"{gain.mean:+.1f}"
        lines.append([name, percent(list(by_seed.values())), "" if name == WHOLE else interval])
    return markdown.table(["without", "validation", "difference, 95 % interval"], lines)
