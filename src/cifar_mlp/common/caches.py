"""What of a CPU decides how fast it computes beside its model: caches, which cores share them, clock."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SYSTEM = Path("/sys/devices/system/cpu")
CPUINFO = Path("/proc/cpuinfo")


class Cache(NamedTuple):
    """One cache of one core."""

    level: int
    size: str  # as the system writes it, e.g. "1024K"
    cores: frozenset[int]  # that share it


def describe_caches(system: Path = SYSTEM, cpuinfo: Path = CPUINFO) -> str:
    """Such as ``L2 1024K each, L3 32768K shared by 2 cores; 2.6 GHz``; empty where the system does not tell.

    Only cores that this process may use count. The clock is the one that is read now.

    Args:
        system: Linux's folder about CPUs.
        cpuinfo: Its table of them.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    found: dict[int, Cache] = {}
    for core in sorted(usable):
        for cache in _caches(system / f"cpu{core}" / "cache"):
            found.setdefault(cache.level, cache)
    parts = []
    for level, cache in sorted(found.items()):
        shared = len(cache.cores & usable)
        where = "" if len(usable) == 1 else f" shared by {shared} cores" if shared > 1 else " each"
        parts.append(f"L{level} {cache.size}{where}")
    return "; ".join(part for part in (", ".join(parts), _clock(cpuinfo)) if part)


def _caches(folder: Path) -> Iterator[Cache]:
    for index in sorted(folder.glob("index*")):
        try:
            kind, level, size, cores = (
                (index / name).read_text().strip() for name in ("type", "level", "size", "shared_cpu_list")
            )
        except OSError:
            continue
        if kind != "Instruction" and int(level) > 1:
            yield Cache(int(level), size, frozenset(_numbers(cores)))


def _numbers(ranges: str) -> Iterator[int]:
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _clock(cpuinfo: Path) -> str:
    try:
        found = re.search(r"^cpu MHz\s*:\s*([\d.]+)", cpuinfo.read_text(encoding="utf-8"), re.M)
    except OSError:
        return ""
    return f"{float(found[1]) / 1000:.1f} GHz" if found else ""
