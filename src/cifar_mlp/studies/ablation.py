"""What each ingredient of a record config is worth: it is taken away, and the rest trains again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cifar_mlp.cli import run
from cifar_mlp.common import markdown
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.results import percent
from cifar_mlp.common.spread import Sample

WHOLE = "everything"
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
) -> dict[str, list[float]]:
    """Validation accuracy at the last epoch by what was left out, a number for each seed; the test set is not read.

    Args:
        options: Of ``cifar-mlp fit``, for all runs.
        seeds: Of each.
        folder: Of the runs and ``ablation.json``; what is there already is not trained again.
        without: What to leave out, and the options that do it.

    Raises:
        ValueError: If the folder holds runs with other options.
    """
    kept = folder / "ablation.json"
    found: dict[str, Any] = {"options": list(options), "validation": {}}
    if kept.is_file():
        found = json.loads(kept.read_text())
    if found["options"] != list(options):
        raise ValueError(f"--output {folder} holds runs with {' '.join(found['options'])}: choose another folder")
    for number, (name, changed) in enumerate({WHOLE: [], **without}.items()):
        for seed in map(str, seeds):
            known = found["validation"].setdefault(name, {})
            if seed in known:
                continue
            place = ["--seed_everything", seed, "--trainer.default_root_dir", str(folder / f"{number}-{seed}")]
            command = run(["fit", *options, *changed, *place])
            metric = command.model.metric_name("val/accuracy")
            known[seed] = round(float(command.trainer.callback_metrics[metric]), 4)
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(json.dumps(found, indent=1) + "\n", kept)
    return {name: [found["validation"][name][str(seed)] for seed in seeds] for name in (WHOLE, *without)}


def table(found: Mapping[str, Sequence[float]]) -> str:
    """Markdown: accuracy, and the difference from the whole with its 95 % interval over paired seeds."""
    whole = found[WHOLE]
    lines = []
    for name, values in found.items():
        gain = Sample([100 * (value - other) for value, other in zip(values, whole, strict=True)])
        interval = f"{gain.mean:+.1f} ± {gain.half():.1f}" if len(values) > 1 else f"{gain.mean:+.1f}"
        lines.append([name, percent(values), "" if name == WHOLE else interval])
    return markdown.table(["without", "validation", "difference, 95 % interval"], lines)
