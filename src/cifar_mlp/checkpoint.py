"""Read a checkpoint for what it says about itself, trusting nothing in it."""

import os
from pathlib import Path
from typing import Any

import torch

from cifar_mlp.data.cifar import ROOT_VARIABLE

# Where things lie on this machine is no property of a trained network.
_OF_THE_MACHINE = {"root", "cache_dir", "predict_path", "output", "seed"}
_LINKED = {"in_features", "num_classes", "metric_prefix"}


def read_checkpoint(path: str) -> dict[str, Any]:
    """The content of a checkpoint of this package; large tensors stay on disk until used.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or another program wrote it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"--ckpt_path {path}: no such file")
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except Exception as error:  # the reader raises what it likes on a damaged file
        raise ValueError(f"--ckpt_path {path} is no checkpoint, or a damaged one: it cannot be read") from error
    if not isinstance(content, dict) or "cifar_mlp" not in content:
        raise ValueError(f"--ckpt_path {path} is not a checkpoint of this package")
    return content


def option_defaults(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The options that a checkpoint was made with, as defaults for the command line.

    The data root is taken over only where nothing on this machine says otherwise: the folder is still there and
    the environment names no other.
    """
    model = {name: value for name, value in checkpoint["hyper_parameters"].items() if name not in _LINKED}
    defaults: dict[str, Any] = {
        "model": {"class_path": f"cifar_mlp.models.{checkpoint['cifar_mlp']['model']}", "init_args": model}
    }
    data = checkpoint.get("datamodule_hyper_parameters", {})
    defaults |= {f"data.{name}": value for name, value in data.items() if name not in _OF_THE_MACHINE}
    if data.get("root") and not os.environ.get(ROOT_VARIABLE) and Path(data["root"]).is_dir():
        defaults["data.root"] = data["root"]
    if "seed" in data:
        defaults["seed_everything"] = data["seed"]
    return defaults


def require_same_input(checkpoint: dict[str, Any], path: str, spec: dict[str, Any]) -> None:
    """Refuse data settings that a checkpoint's own preprocessing contradicts.

    Args:
        checkpoint: As read.
        path: Its file, for the message.
        spec: The preprocessing that the options ask for.

    Raises:
        ValueError: Naming the first setting that differs and both values.
    """
    saved = checkpoint["cifar_mlp"]["preprocessing"]
    for name, value in spec.items():
        if saved is not None and saved[name] != value:
            option = "source" if name == "image_shape" else name
            raise ValueError(
                f"--ckpt_path {path} was made for inputs with {name} {saved[name]}, but --data.{option} asks for "
                f"{value}: drop that option, since the checkpoint carries its own preprocessing"
            )
