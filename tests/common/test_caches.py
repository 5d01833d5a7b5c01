"""A CPU's caches and clock in words, from a made-up system."""

import os
from pathlib import Path

import pytest

from cifar_mlp.common.caches import describe_caches


def make_cache(root: Path, core: int, index: int, **facts: str) -> None:
    folder = root / f"cpu{core}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, value in facts.items():
        (folder / name).write_text(value + "\n")


def test_caches_and_who_shares_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    for core in (0, 1, 2):
        own, all_of_them = {"shared_cpu_list": str(core)}, {"shared_cpu_list": "0-1,2"}
        make_cache(tmp_path, core, 0, type="Data", level="1", size="32K", **own)
        make_cache(tmp_path, core, 2, type="Unified", level="2", size="1024K", **own)
        make_cache(tmp_path, core, 3, type="Unified", level="3", size="32768K", **all_of_them)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\ncpu MHz\t\t: 2596.124\n")
    assert describe_caches(tmp_path, cpuinfo) == "L2 1024K each, L3 32768K shared by 2 cores; 2.6 GHz"
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1}, raising=False)
    assert describe_caches(tmp_path, cpuinfo) == "L2 1024K, L3 32768K; 2.6 GHz"


def test_a_system_that_does_not_tell(tmp_path: Path):
    assert describe_caches(tmp_path, tmp_path / "absent") == ""
