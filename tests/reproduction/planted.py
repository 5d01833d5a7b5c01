"""A results file with numbers of our choice."""

from pathlib import Path

import numpy as np

from cifar_mlp.common.results import Document, Row, config_fingerprint
from cifar_mlp.reproduction.plan import Variant, chosen

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIGS = ROOT / "configs" / "report"


def planted_row(variant: Variant, seed: int, accuracy: float, epochs: int = 25, **changes: object) -> Row:
    """A run whose accuracies are all ``accuracy``, reached at once."""
    metrics = {"epoch": epochs, "val/accuracy": accuracy, "test/accuracy": accuracy, "val/loss": 1.2, "test/loss": 1.2}
    metrics["test/accuracy_first_1000"] = accuracy
    curves = {"train/loss": [1.5] * epochs, "train/accuracy": [accuracy + 0.1] * epochs}
    curves |= {"val/loss": [1.4] * epochs, "val/accuracy": [accuracy] * epochs}
    return {
        "config": variant.config, **({"options": list(variant.options)} if variant.options else {}),
        "settings": config_fingerprint(CONFIGS / f"{variant.config}.yaml"), "seed": seed,
        "best": metrics, "last": metrics,
        "commit": "0123456789ab", "date": "2026-01-02T03:04:05+00:00", "device": "a processor", "python": "3.11",
        "torch": "2", "lightning": "2", "precision": "32-true", "fit_seconds": 10.0, "wall_seconds": 20.0,
        "curves": curves, "test/confusion": np.eye(10, dtype=int).tolist(), **changes,
    }  # fmt: skip


def planted_document(seeds: int = 3) -> Document:
    """Every run of the report and of the studies, at accuracies near 0.55."""
    of_report, _, _ = chosen(None)
    _, of_studies, _ = chosen(["studies"])
    draw = np.random.default_rng(0)
    variants = list(dict.fromkeys([*of_report, *of_studies]))
    rows = []
    for variant in variants:
        level = 0.55 + draw.normal(0, 0.01)
        rows += [planted_row(variant, seed, round(level + draw.normal(0, 0.006), 4)) for seed in range(seeds)]
    figure = {"name": "a figure", "report": "1.5", "ours": 1.5, "rule": "to 1e-14", "held": True}
    toy = {"figures": [{**figure, "prints_the_same": True}], "losses": [1.2, 0.5, 0.1]}
    return {"runs": rows, "toy": toy}
