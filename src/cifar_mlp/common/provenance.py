"""Where a number comes from: code, machine, versions, time."""

import datetime
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import cifar_mlp


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


def commit() -> str | None:
    """The commit of the package's source, with ``+changes`` where its files differ; ``None`` outside a checkout."""
    here = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # else it is somebody else's checkout that we lie in
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    return _from_cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_vendor() -> str | None:
    """The x86 processor's maker, e.g. ``AuthenticAMD``; ``None`` where the system does not tell."""
    return _from_cpuinfo("vendor_id")


def _from_cpuinfo(key: str) -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)
