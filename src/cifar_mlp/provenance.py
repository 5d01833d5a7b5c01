"""Where a number comes from: code, machine, versions, time."""

import datetime
import platform
from importlib.metadata import version
from typing import Any

import torch

import cifar_mlp
from cifar_mlp.machine import commit, cpu_name


def provenance(device: torch.device) -> dict[str, Any]:
    """Everything that a number needs beside its settings, as plain JSON.

    Args:
        device: Where the number was computed.
    """
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": version("lightning"),
        "cifar_mlp": cifar_mlp.__version__,
    }


def device_name(device: torch.device) -> str:
    """The name of the GPU, or the processor's with the threads that PyTorch uses on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    threads = torch.get_num_threads()
    return f"{cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"
