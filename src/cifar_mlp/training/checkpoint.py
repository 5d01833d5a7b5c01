"""Read what a checkpoint says about itself, without trusting it."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from cifar_mlp import models
from cifar_mlp.common.checkpoint_checksum import require_whole
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE
from cifar_mlp.data.loader import restored_position
from cifar_mlp.data.own_images.folder_images import FolderImages
from cifar_mlp.models.int8_weights import restore_matrices
from cifar_mlp.models.recipes import is_imported, to_recipe

# Paths on this machine are not a property of a trained network.
_OF_THE_MACHINE = {"root", "mirror", "cache_dir", "predict_path", "output", "seed"}
ENSEMBLE = "cifar_mlp.models.Ensemble"
_BEFORE = {"gradients": "autograd", "matmuls": "pytorch"}  # what checkpoints without these settings were trained with
_LINKED = {"in_features", "num_classes", "metric_prefix"}


def read_checkpoint(path: str, option: str = "") -> dict[str, Any]:
    """The content of a Lightning checkpoint; large tensors stay on disk until used.

    Args:
        path: Of the file.
        option: By which it was named, for messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or is no checkpoint.
    """
    typed = f"{option} {path}".strip()
    if not Path(path).is_file():
        raise FileNotFoundError(f"{typed}: no such file")
    require_whole(path)
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except Exception as error:  # the reader raises anything on a damaged file
        raise ValueError(f"{typed} is no checkpoint, or a damaged one: it cannot be read") from error
    if not _is_whole(content):
        raise ValueError(f"{typed} is not a checkpoint of this package or of a LightningModule")
    restore_matrices(content)
    return content


def is_of_this_package(checkpoint: dict[str, Any]) -> bool:
    """Whether a checkpoint holds this package's network with its preprocessing, not any other LightningModule."""
    return "cifar_mlp" in checkpoint


def module_class(checkpoint: dict[str, Any]) -> type[models.Classifier]:
    """The class of this package's network in a checkpoint."""
    found: type[models.Classifier] = getattr(models, checkpoint["cifar_mlp"]["model"])
    return found


def _is_whole(content: Any) -> bool:
    if not isinstance(content, dict) or not {"state_dict", "epoch", "global_step", "loops"} <= content.keys():
        return False
    try:
        if not is_of_this_package(content):
            return "pytorch-lightning_version" in content
        for recipe in ("optimizer", "lr_scheduler"):
            if content["hyper_parameters"][recipe] is not None:
                to_recipe(content["hyper_parameters"][recipe])
        known = content["cifar_mlp"]
        return {"model", "preprocessing", "class_names"} <= known.keys() and known["model"] in models.__all__
    except (KeyError, TypeError, AttributeError, ValueError):
        return False


def position_of(checkpoint: dict[str, Any]) -> tuple[int, int]:
    """Whole epochs that a checkpoint has behind it, and batches of the next one; see ``restored_position``."""
    loops = checkpoint["loops"]["fit_loop"]
    epochs = SimpleNamespace(**loops["epoch_progress"]["current"])
    batches = loops["epoch_loop.batch_progress"]
    current = SimpleNamespace(**batches["current"])
    return restored_position(epochs, SimpleNamespace(current=current, is_last_batch=batches["is_last_batch"]))


def option_defaults(
    checkpoint: dict[str, Any], training: bool, named: Callable[[str], bool] = lambda path: False
) -> dict[str, Any]:
    """The options that a checkpoint was made with, as defaults for the command line.

    The data root of CIFAR is kept only where it still exists and the environment names no other. The settings of a
    LightningModule from elsewhere are not known: the command line names it.

    Args:
        checkpoint: As read.
        training: Whether training continues; nothing else needs the optimizer and its schedule.
        named: Whether a class is named now, on the command line or in a config.

    Raises:
        ValueError: Naming an optimizer or schedule that is not imported, and must be named again.
    """
    defaults: dict[str, Any] = {}
    if training and is_of_this_package(checkpoint) and "optimizer_states" not in checkpoint:
        raise ValueError("the checkpoint is for use alone: training cannot continue without the optimizer's state")
    if is_of_this_package(checkpoint):
        settings = {name: value for name, value in checkpoint["hyper_parameters"].items() if name not in _LINKED}
        if checkpoint["cifar_mlp"]["model"] == "Ensemble":
            kept = {name: settings[name] for name in ("member_settings", "validates")}
            defaults["model"] = {"class_path": ENSEMBLE, "init_args": kept}
            return defaults | _data_defaults(checkpoint)
        if checkpoint["cifar_mlp"]["model"] == "HandwrittenClassifier":  # the former name of
            settings["gradients"] = "hand"
        settings = {**_BEFORE, **settings}
        for option in ("optimizer", "lr_scheduler"):
            recipe = settings[option] if training else settings.pop(option)
            if training and not is_imported(recipe) and not named(recipe["class_path"]):
                raise ValueError(
                    f"the checkpoint was trained with {recipe['class_path']}, which is not imported: name it again by "
                    f"--model.{option} {recipe['class_path']}"
                )
        defaults["model"] = {"class_path": "cifar_mlp.models.Classifier", "init_args": settings}
    return defaults | _data_defaults(checkpoint)


def _data_defaults(checkpoint: dict[str, Any]) -> dict[str, Any]:
    data = checkpoint.get("datamodule_hyper_parameters", {})
    defaults = {f"data.{name}": value for name, value in data.items() if name not in _OF_THE_MACHINE}
    if (root := data.get("root")) is not None:
        own = data.get("source") == FolderImages.name  # which cannot be found elsewhere
        if own or (not os.environ.get(ROOT_VARIABLE) and Path(root).expanduser().exists()):
            defaults["data.root"] = root
    if "seed" in data:
        defaults["seed_everything"] = data["seed"]
    return defaults
