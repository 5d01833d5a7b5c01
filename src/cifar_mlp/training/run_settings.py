"""How a run was trained beyond its data and network: the settings that it continues with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from cifar_mlp.common.bounded_yaml import load_yaml

# Where a run writes, and what only a new run can have; a resumed one stays in its folder
_NOT_KEPT_ON_RESUME = {"default_root_dir", "fast_dev_run"}
# Lightning's classes that call nothing which their settings name
_HARMLESS = {
    "CSVLogger", "DeviceStatsMonitor", "EarlyStopping", "GradientAccumulationScheduler",
    "LearningRateMonitor", "ModelCheckpoint", "ModelSummary", "RichModelSummary",
    "RichProgressBar", "SimpleProfiler", "TQDMProgressBar", "TensorBoardLogger", "Timer",
}  # fmt: skip


def run_settings(checkpoint: dict[str, Any], path: str) -> dict[str, Any]:
    """The settings that a run was started with, by section: from its checkpoint, else from the config beside it.

    Args:
        checkpoint: As read.
        path: Its file.

    Raises:
        ValueError: If the config beside it cannot be read.
    """
    beside = Path(path).resolve().parent.parent / "config.yaml"
    try:
        text = checkpoint.get("config") or (beside.read_text() if beside.is_file() else "")
        settings: Any = load_yaml(text) or {}
        parts = (settings, settings.get("trainer", {}), settings.get("views", {}))
    except (yaml.YAMLError, AttributeError, ValueError, OSError) as error:
        raise ValueError(f"{beside}: not the config of a run; repair it, or move the checkpoint elsewhere") from error
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"{beside}: not the config of a run; repair it, or move the checkpoint elsewhere")
    found: dict[str, Any] = settings
    return found


def trainer_defaults(settings: dict[str, Any], path: str, named: Callable[[str], bool]) -> dict[str, Any]:
    """Every setting that decides how training continues, as defaults for the command line: trainer, loop and views.

    A checkpoint is data. Of the classes that it names, only those that do nothing but train and log are taken up, and
    those that are named again.

    Args:
        settings: Of the run.
        path: Its checkpoint, for messages.
        named: Whether a class is named now, on the command line or in a config.

    Raises:
        ValueError: Naming a class that must be named again.
    """
    given = {f"trainer.{name}": value for name, value in settings.get("trainer", {}).items()}
    given |= {f"views.{name}": value for name, value in settings.get("views", {}).items()}
    if "fast_loop" in settings:
        given["fast_loop"] = settings["fast_loop"]
    for option, value in given.items():
        for made in value if isinstance(value, list) else [value]:
            path_of = made.get("class_path") if isinstance(made, dict) else None
            if path_of is not None and not _is_harmless(made) and not named(path_of):
                raise ValueError(
                    f"--ckpt_path {path}: the run had --{option} {path_of}, which a checkpoint must not bring along: "
                    f"name it again, or give --{option} null"
                )
    left_out = {f"trainer.{name}" for name in _NOT_KEPT_ON_RESUME}
    return {name: value for name, value in given.items() if value is not None and name not in left_out}


def _is_harmless(made: dict[str, Any]) -> bool:
    package, _, name = str(made["class_path"]).rpartition(".")
    ours = package.startswith("cifar_mlp.callbacks")
    settings = made.get("init_args") or {}
    return (ours or (package.startswith("lightning.pytorch") and name in _HARMLESS)) and not settings.get("dirpath")


def replaced(callbacks: list[Any], carried: list[Any]) -> list[Any]:
    """The callbacks to continue with: those given now, and those carried over of which none of the class is given.

    Args:
        callbacks: As parsed: the carried ones with those given now behind them, or those given now alone.
        carried: The run's own, by class path and settings.
    """
    if len(callbacks) <= len(carried):
        return callbacks
    kept, given = callbacks[: len(carried)], callbacks[len(carried) :]
    classes = {_class_path(callback) for callback in given}
    return [callback for callback in kept if _class_path(callback) not in classes] + given


def left_out(callbacks: list[Any], carried: list[Any]) -> list[str]:
    """Classes of the run's callbacks that are not among those to continue with."""
    classes = {_class_path(callback) for callback in callbacks}
    return [path for callback in carried if (path := _class_path(callback)) not in classes]


def _class_path(callback: Any) -> str:
    return str(callback["class_path"])
