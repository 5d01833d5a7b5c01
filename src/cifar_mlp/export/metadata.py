"""What an exported file says of itself."""

from pathlib import Path
from typing import Any

from cifar_mlp.common.json_files import read_json
from cifar_mlp.data.sources import SOURCES
from cifar_mlp.export.file_formats import Facts
from cifar_mlp.export.images_to_probabilities import ImagesToProbabilities
from cifar_mlp.models.classifier import Classifier

ACCURACIES = ("val/accuracy", "test/accuracy")


def facts_of(content: dict[str, Any], path: Path, model: Classifier, module: ImagesToProbabilities) -> Facts:
    """Classes, shape, accuracy, commit, and what the training images were, as plain JSON.

    Args:
        content: The checkpoint.
        path: Its file.
        model: Made from it.
        module: What is exported.
    """
    data = content.get("datamodule_hyper_parameters", {})
    provenance = content.get("provenance", {})
    shape = next(iter(model.members())).preprocessing.spec["image_shape"]  # type: ignore[union-attr]
    return {
        "input": f"images: uint8 (N, {', '.join(map(str, shape))}), 0..255",
        "output": f"probabilities: float32 (N, {len(model.class_names)})",
        "class_names": list(model.class_names),
        "image_shape": list(shape),
        "networks": module.descriptions,
        "accuracy": content.get("accuracy") or accuracies(content, path),
        "commit": provenance.get("commit"),
        "cifar_mlp": provenance.get("cifar_mlp"),
        "data": {name: data.get(name) for name in ("source", "split", "val_size", "num_folds", "fold", "seed")},
        "data_fingerprint": fingerprint(data.get("source"), provenance.get("data") or {}),
    }


def accuracies(content: dict[str, Any], path: Path) -> dict[str, Any] | None:
    """Those of the checkpoint's epoch in the ``results.json`` of its run; ``None`` where it is not in one."""
    results = path.resolve().parent.parent / "results.json"
    if not results.is_file():
        return None
    found = read_json(results)
    for which in ("best", "last"):
        if found.get(which, {}).get("epoch") == content["epoch"] + 1:
            return {name: found[which][name] for name in ACCURACIES if name in found[which]}
    return None


def fingerprint(source: str | None, own: dict[str, Any]) -> list[str] | None:
    """SHA-256 of the training images and labels: of a published set batch by batch, against which every reading is
    checked; of a folder of all its images, as the run recorded it in ``own``.
    """
    known = getattr(SOURCES.get(str(source)), "fingerprints", {}).get("train")
    if known is None and "sha256" in own:
        return [own["sha256"]]
    return None if known is None else list(known)
