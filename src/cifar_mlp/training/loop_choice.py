"""Choose the training loop: the fast one where it does what Lightning's own does, else Lightning's own."""

import os

import torch
from lightning.pytorch import LightningModule, Trainer

from cifar_mlp.training.loop_obstacles import obstacle

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

        loop = FastEpochLoop(trainer)
        vars(loop).update(vars(trainer.fit_loop.epoch_loop))  # its limits, counts and inner loops
        trainer.fit_loop.epoch_loop = loop
    return reason


def skip_gpu_search() -> None:
    """On a machine without a GPU, have PyTorch's optimizers not look for one at every step.

    Each step asks whether a GPU records it. Lightning sets a variable by which PyTorch then searches NVIDIA's library
    each time, so that nothing starts CUDA before a fork. Without a GPU there is no CUDA to start.
    """
    if not torch.cuda.is_available():
        os.environ.pop(GPU_SEARCH, None)
