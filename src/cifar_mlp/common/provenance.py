"""Where a number comes from: code, machine, versions, time."""

import datetime
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import cifar_mlp

INSTRUCTION_SETS = {
    "avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX-BF16",
}  # fmt: skip
"""Those that decide how fast matmuls are, by their names in /proc/cpuinfo."""


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


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def cpu_name() -> str:
    """The CPU's name as the system tells it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def cpu_vendor() -> str | None:
    """The x86 CPU's maker, e.g. ``AuthenticAMD``; ``None`` where the system does not tell."""
    return _cpuinfo().get("vendor_id")


def cpu_identity() -> str:
    """Name, family, model and instruction sets, e.g. ``AMD EPYC (family 26, model 2; AVX-512, AVX512-BF16)``.

    Virtual machines often shorten the name to one that fits several generations of CPUs; family and model do not
    change. Where the system tells only a name (macOS, ARM), this is the name.
    """
    info = _cpuinfo()
    family = [f"{word} {info[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in info]
    flags = info.get("flags", "").split()
    implied = {"avx2"} if "avx512f" in flags else set()
    sets = [name for flag, name in INSTRUCTION_SETS.items() if flag in flags and flag not in implied]
    details = "; ".join(", ".join(part) for part in (family, sets) if part)
    return f"{cpu_name()} ({details})" if details else cpu_name()


def _cpuinfo() -> dict[str, str]:
    """The fields of the first CPU in /proc/cpuinfo; empty on systems without it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields
