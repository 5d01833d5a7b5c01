"""Where a number comes from: code, machine, versions, time."""

import datetime
import platform
import subprocess
from collections.abc import Callable, Iterable, Sequence
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
    """The name of the GPU, or the CPU's with the threads that PyTorch uses on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    threads = torch.get_num_threads()
    return f"{cpu_identity()}, {threads} thread{'s' if threads > 1 else ''}"


def commit() -> str | None:
    """The commit of the package's source, with ``+changes`` where its files differ; ``None`` outside a checkout."""
    here = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # else the checkout around us is another project's
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


# ---- the environment of a comparison or benchmark


def environment(devices: Sequence[str], seed: int) -> dict[str, Any]:
    """What is needed to repeat a measurement on several devices, as plain JSON; ``None`` for an absent device."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_commit": commit(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": version("numpy"),
        "platform": f"{platform.system()} {platform.machine()}",
        "devices": {device: _name_if_present(device) for device in devices},
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "fp32_precision": precision_readings(),
        "seed": seed,
    }


def precision_readings() -> dict[str, str]:
    """PyTorch's settings for float32 matmuls, from its old and its new interface; an error is a reading too."""
    cuda = torch.backends.cuda.matmul
    readings: dict[str, Callable[[], Any]] = {
        "torch.get_float32_matmul_precision": torch.get_float32_matmul_precision,
        "torch.backends.fp32_precision": lambda: torch.backends.fp32_precision,  # type: ignore[attr-defined]
        "torch.backends.cuda.matmul.fp32_precision": lambda: cuda.fp32_precision,
        "torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction": (
            lambda: cuda.allow_bf16_reduced_precision_reduction
        ),
        "torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction": (
            lambda: cuda.allow_fp16_reduced_precision_reduction
        ),
    }
    return {name: _reading(read) for name, read in readings.items()}


def _reading(read: Callable[[], Any]) -> str:
    try:
        return str(read())
    except (RuntimeError, AttributeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def _name_if_present(device: str) -> str | None:
    if device == "cuda":
        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if device == "mps":
        return "Apple GPU" if torch.backends.mps.is_available() else None
    return cpu_identity()
