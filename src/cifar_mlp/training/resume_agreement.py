"""What a checkpoint and the options of now must agree in; each refusal names the option."""

import warnings
from typing import Any

from torch import Tensor, nn

from cifar_mlp import models
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.loader import TrainingOrder
from cifar_mlp.data.own_images.folder_images import FolderImages
from cifar_mlp.models.resumed_optimizer import override_restored
from cifar_mlp.training.checkpoint import is_of_this_package, position_of


def require_same_data(checkpoint: dict[str, Any], path: str, data: CIFAR10DataModule, training: bool) -> None:
    """Refuse data settings that contradict how a checkpoint was trained.

    Args:
        checkpoint: As read.
        path: Its file, for the message.
        data: What the options ask for.
        training: Whether training continues; then the split must stay the same too.

    Raises:
        ValueError: Naming the first setting that differs and both values.
    """
    saved = checkpoint.get("cifar_mlp", {}).get("preprocessing") or {}
    for name, value in data.preprocessing.spec.items():
        if saved.get(name, value) != value:
            own = data.settings["source"] == FolderImages.name
            option = ("image_size" if own else "source") if name == "image_shape" else name
            raise ValueError(
                f"--ckpt_path {path} was made for inputs with {name} {saved[name]}, but --data.{option} asks for "
                f"{value}: drop that option, since the checkpoint carries its own preprocessing"
            )
    settings = checkpoint.get("datamodule_hyper_parameters", {})
    fixed = ["source"]
    if training:
        fixed += ["split", "val_size", "num_folds", "fold", "seed"]
    elif data.settings["source"] in ("digits", FolderImages.name):
        fixed += ["seed"]  # it decides which images are for testing
    for name in fixed:
        if name in settings and settings[name] != data.settings[name]:
            option = "--seed_everything" if name == "seed" else f"--data.{name}"
            raise ValueError(
                f"--ckpt_path {path} was made with {option} {settings[name]}, not {data.settings[name]}: other images "
                "would be for training, validation and testing; drop that option"
            )


def require_same_epoch(checkpoint: dict[str, Any], path: str, data: CIFAR10DataModule, trainer: Any) -> None:
    """Refuse what would cut the rest of an epoch that has begun into other batches.

    Raises:
        ValueError: Naming the option.
    """
    within = position_of(checkpoint)[1]
    saved = (checkpoint["loops"]["fit_loop"]["state_dict"].get("combined_loader") or [{}])[0]
    order = TrainingOrder(
        data.num_train, data.settings["batch_size"], data.settings["sampling"], data.seed, 0, trainer.world_size
    )
    now = {
        "batch_size": ("--data.batch_size", order.batch_size),
        "sampling": ("--data.sampling", order.sampling),
        "world_size": ("--trainer.devices", trainer.world_size),
        "overfit_batches": ("--trainer.overfit_batches", trainer.overfit_batches),
    }
    for name, (option, value) in now.items():
        if within and saved.get(name, value) != value:
            raise ValueError(
                f"{option} {value}: --ckpt_path {path} was taken within an epoch, after {within} batches of "
                f"{option} {saved[name]}; change that at an epoch's end"
            )
    limit = trainer.limit_train_batches
    there_are = (
        min(limit, len(order)) if isinstance(limit, int) else int((1.0 if limit is None else limit) * len(order))
    )
    if within > there_are:
        raise ValueError(
            f"--trainer.limit_train_batches {limit}: --ckpt_path {path} was taken within an epoch, after {within} "
            f"batches, and an epoch now has {there_are}; change that at an epoch's end"
        )


def require_same_images(checkpoint: dict[str, Any], path: str, data: CIFAR10DataModule, training: bool) -> None:
    """Refuse to continue with a folder of other images; warn where some of those for testing may have been trained on.

    Args:
        checkpoint: As read.
        path: Its file, for the message.
        data: Of now; a folder is not read to predict other files.
        training: Whether training continues.

    Raises:
        ValueError: If training would continue on other images.
    """
    if not isinstance(data.source, FolderImages) or (data.predict_path is not None and not training):
        return
    before, now = checkpoint.get("provenance", {}).get("data"), data.source.facts
    if before in (None, now):
        return
    said = f"--data.root {data.root} holds other images ({now['images']:,}) than those of --ckpt_path {path}"
    if training:
        raise ValueError(f"{said} ({before['images']:,}): start a new run on them, or restore the folder")
    if data.source.draws_test:
        warnings.warn(f"{said}: some that are held out now may have been trained on", stacklevel=2)


def require_same_network(checkpoint: dict[str, Any], path: str, module: nn.Module) -> None:
    """Refuse a network that a checkpoint's weights do not fit.

    Raises:
        ValueError: Naming the first tensor that differs and both shapes.
    """
    if is_of_this_package(checkpoint) != isinstance(module, models.Classifier):
        raise ValueError(f"--ckpt_path {path} holds another class than {type(module).__name__}: name it by --model")
    prefix = "network." if is_of_this_package(checkpoint) else ""

    def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(tensor.shape) for name, tensor in state.items() if name.startswith(prefix)}

    requested, saved = shapes(module.state_dict()), shapes(checkpoint["state_dict"])
    for name in [*requested, *saved]:  # a layer more or less, or of another size
        if requested.get(name) != saved.get(name):
            raise ValueError(
                f"--ckpt_path {path} holds another network: {name} is {saved.get(name, 'absent')} there and "
                f"{requested.get(name, 'absent')} as asked for; drop --model.hidden_sizes and the like"
            )


def require_same_course(checkpoint: dict[str, Any], module: models.Classifier) -> None:
    """Refuse settings with which the saved training cannot continue: an optimizer or schedule, or how to begin.

    Args:
        checkpoint: As read; its states are changed as they will be when training starts.
        module: The network with the settings of now.

    Raises:
        ValueError: Naming the option.
    """
    saved, now = checkpoint["hyper_parameters"], module.settings
    override_restored(checkpoint, now, module.network.parameters())
    if now["lr_scheduler"] is not None and saved["lr_interval"] != now["lr_interval"]:
        raise ValueError(
            f"--model.lr_interval {now['lr_interval']}: the checkpoint's schedule counts by {saved['lr_interval']}; "
            "drop that option"
        )
    for name in ("initialization", "init_std"):
        if saved[name] != now[name]:
            raise ValueError(f"--model.{name} {now[name]}: the weights come from the checkpoint; drop that option")
