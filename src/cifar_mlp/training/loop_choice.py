"""Choose the training loop: the fast one where it does what Lightning's own does, else Lightning's own."""

import os
from typing import Any

import lightning
import torch
from lightning.pytorch import LightningModule, Trainer

from cifar_mlp.training.loop_obstacles import TESTED_LIGHTNING, obstacle

GPU_SEARCH = "PYTORCH_NVML_BASED_CUDA_CHECK"


def use_fast_loop(trainer: Trainer, module: LightningModule) -> str | None:
    """Let ``trainer.fit(module)`` use the fast loop where it supports all that is asked for.

    What becomes known only during ``fit`` is checked again at each epoch; the fast loop then gives way and says so.

    Returns:
        Why Lightning's own loop stays, or ``None`` if the fast loop runs.
    """
    if trainer.strategy.root_device.type == "cpu":
        skip_gpu_search()
    reason = obstacle(trainer, module)
    if reason is None:
        # An untested Lightning may lack what this module imports.
        from cifar_mlp.training.fast_loop import FastEpochLoop

        _exchange(trainer, FastEpochLoop)
    return reason


def use_exact_loop(trainer: Trainer) -> None:
    """Let Lightning's own loop resume and stop exactly, on any number of processes, if it is a tested version."""
    if lightning.__version__ in TESTED_LIGHTNING:
        from cifar_mlp.training.exact_loop import ExactEpochLoop

        _exchange(trainer, ExactEpochLoop)


def _exchange(trainer: Any, kind: type[Any]) -> None:
    loop = kind(trainer)
    vars(loop).update(vars(trainer.fit_loop.epoch_loop))  # its limits, counts and inner loops
    trainer.fit_loop.epoch_loop = loop


def skip_gpu_search() -> None:
    """On a machine without a GPU, have PyTorch's optimizers not look for one at every step.

    Each step asks whether a GPU records it. Lightning sets a variable by which PyTorch then searches NVIDIA's library
    each time, so that nothing starts CUDA before a fork. Without a GPU there is no CUDA to start.
    """
    if not torch.cuda.is_available():
        os.environ.pop(GPU_SEARCH, None)
