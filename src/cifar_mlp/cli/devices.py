"""Devices that a training may ask for."""

import os
from typing import Any

import torch

PROCESSES_PER_CORE = 4  # more would stop the machine


def require_devices(accelerator: Any, devices: Any) -> None:
    """Refuse an accelerator that is not there, and a number of processes that would stop the machine."""
    gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    available = {"tpu": False, "gpu": gpu, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(accelerator, True):
        raise ValueError(
            f"--trainer.accelerator {accelerator}: this machine has no such device that PyTorch can use; "
            "choose cpu, or auto"
        )
    cores = os.cpu_count() or 1
    on_cpu = accelerator == "cpu" or not gpu
    if on_cpu and str(devices).isdigit() and int(devices) > PROCESSES_PER_CORE * cores:
        raise ValueError(f"--trainer.devices {devices}: one process for each, but this machine has {cores} cores")
