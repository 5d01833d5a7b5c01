"""``--resume auto``: the run that the same command has begun before."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cifar_mlp.cli.checkpoint_option import LOGS
from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.run_folder import flat
from cifar_mlp.training.checkpoint import position_of, read_checkpoint

# What may differ between two starts of the same run: how long it continues, where it writes, and what it runs on
_LIMITS = {"max_epochs", "max_steps", "max_time", "min_epochs", "min_steps"}
_MACHINE = {"accelerator", "devices", "num_nodes", "strategy", "plugins", "default_root_dir", "profiler"}
_SHOWN = {"enable_progress_bar", "enable_model_summary", "logger", "log_every_n_steps"}
_FREE = {f"trainer.{name}" for name in _LIMITS | _MACHINE | _SHOWN}
_FREE |= {f"data.{name}" for name in ("root", "mirror", "cache_dir", "predict_path", "output", "test_size")}
_COMPARED = ("seed_everything", "trainer", "model", "data")


def latest_run(requested: dict[str, Any], root: str | None, name: str) -> Path | None:
    """``last.ckpt`` of the latest run of a name that was started with the same settings; ``None`` without any.

    Args:
        asked: All settings, as a run's config.yaml holds them. A trainer's setting of ``None`` agrees with any.
        root: ``--trainer.default_root_dir``.
        name: Of the run.
    """
    versions = [path for path in (Path(root or ".") / LOGS / name).glob("version_*") if path.name[8:].isdigit()]
    for version in sorted(versions, key=lambda path: int(path.name[8:]), reverse=True):
        last = version / "checkpoints" / "last.ckpt"
        if last.is_file() and _is_same(requested, version / "config.yaml"):
            return last
    return next((path for path in left_by_slurm(root) if _is_same(requested, path)), None)


def left_by_slurm(root: str | None) -> list[Path]:
    """What Lightning saves when SLURM ends a job, latest first; ``trainer.fit`` would continue from it unasked."""
    return sorted(Path(root or ".").glob("hpc_ckpt_*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)


def _is_same(requested: dict[str, Any], kept: Path) -> bool:
    """Whether a config, or the one in a checkpoint, asks for the same run."""
    with suppress(OSError, ValueError, yaml.YAMLError, AttributeError, RecursionError):
        text = read_checkpoint(str(kept)).get("config", "") if kept.suffix == ".ckpt" else kept.read_text()
        before = load_yaml(text)
        first, second = (flat({part: settings.get(part) for part in _COMPARED}) for settings in (requested, before))
        free = _FREE - {"data.root"} if first["data.source"] == "folder" else _FREE  # there the root is the data set
        names = (first.keys() & second.keys()) - free
        chosen = {name for name in names if first[name] is None and name.startswith("trainer.")}
        return all(first[name] == second[name] for name in names - chosen)
    return False


def nothing_left(checkpoint: dict[str, Any], trainer: Any, before: dict[str, Any]) -> tuple[str, int] | None:
    """The limit that a checkpoint has reached, and what it has behind it; ``None`` if there is something left.

    Args:
        checkpoint: As read.
        trainer: The trainer's settings now.
        before: The trainer's settings when the checkpoint was made.
    """
    epochs, steps = position_of(checkpoint)[0], checkpoint["global_step"]
    if 0 <= trainer.max_steps <= steps:
        return "max_steps", steps
    if 0 <= trainer.max_epochs <= epochs:
        return "max_epochs", epochs
    same_limits = all(trainer[name] == before.get(name) for name in ("max_epochs", "max_steps"))
    return ("stopping", epochs) if checkpoint.get("ended") and same_limits else None
