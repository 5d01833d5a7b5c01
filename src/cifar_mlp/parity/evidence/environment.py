"""Where the numbers come from: versions, devices, threads, precision, commit."""

import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from cifar_mlp.common.provenance import commit, cpu_name


def environment(devices: Sequence[str], seed: int) -> dict[str, Any]:
    """What a number needs beside it to be repeated; plain types only."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": commit(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "devices": {device: device_name(device) for device in devices},
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "fp32_precision": precision_readings(),
        "seed": seed,
    }


def device_name(device: str) -> str | None:
    """The device's own name, None where it is absent."""
    if device == "cuda":
        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if device == "mps":
        return "Apple GPU" if torch.backends.mps.is_available() else None
    return cpu_name()


def precision_readings() -> dict[str, str]:
    """What torch says of float32 products, by its old interface and its new; a refusal is a reading too."""
    readings: dict[str, Callable[[], Any]] = {
        "torch.get_float32_matmul_precision": torch.get_float32_matmul_precision,
        "torch.backends.fp32_precision": lambda: torch.backends.fp32_precision,  # type: ignore[attr-defined]
        "torch.backends.cuda.matmul.fp32_precision": lambda: torch.backends.cuda.matmul.fp32_precision,
        "torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction": (
            lambda: torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
        ),
    }
    return {name: _reading(read) for name, read in readings.items()}


def _reading(read: Callable[[], Any]) -> str:
    try:
        return str(read())
    except (RuntimeError, AttributeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
