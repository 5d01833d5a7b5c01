"""What this machine and this checkout are called."""

import platform
import subprocess
from pathlib import Path


def commit() -> str | None:
    """The commit of the package's source, with ``+changes`` where its files differ; ``None`` outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # else it is somebody else's checkout that we lie in
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
