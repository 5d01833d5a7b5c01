"""Where a number comes from: code, machine, versions, time."""

import datetime
import platform
import subprocess
from pathlib import Path
from typing import Any

import lightning
import torch

import cifar_mlp


def provenance() -> dict[str, Any]:
    """Everything that a number needs beside its settings, as plain JSON."""
    return {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device_name(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": lightning.__version__,
        "cifar_mlp": cifar_mlp.__version__,
    }


def commit() -> str | None:
    """The commit of the code that runs, with ``+changes`` where files differ from it; ``None`` outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def device_name() -> str:
    """The GPU if there is one, else the processor and the threads that PyTorch uses on it."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.is_file():
        models = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"
