"""The checkpoint of an ensemble, made from those of its members."""

from pathlib import Path
from typing import Any

import torch

from cifar_mlp.common.atomic_write import replacing
from cifar_mlp.models.ensemble import Ensemble

# What only a training that continues needs, or what is said of one member alone
_LEFT_OUT = {"optimizer_states", "lr_schedulers", "callbacks", "config", "training_mean", "ended"}


def write_ensemble(model: Ensemble, first: dict[str, Any], accuracy: dict[str, float], path: Path) -> None:
    """Write a file that ``cifar-mlp test``, ``predict`` and ``export`` take as any checkpoint.

    Args:
        model: The ensemble.
        first: Content of its first member's checkpoint, for versions, data settings and provenance.
        accuracy: Measured, by metric.
        path: File to write.
    """
    content = {name: value for name, value in first.items() if name not in _LEFT_OUT}
    content |= {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams), "accuracy": accuracy}
    model.on_save_checkpoint(content)
    del content["training_mean"]
    with replacing(path) as unfinished:
        torch.save(content, unfinished)
