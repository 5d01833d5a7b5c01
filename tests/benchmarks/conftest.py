"""What the benchmarks' tests share: a small problem, and the script."""

import importlib.util
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cifar_mlp.benchmarks.problem import Problem
from cifar_mlp.data import sources

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "report" / "q4_best.yaml"


@pytest.fixture(autouse=True)
def same_sources() -> Iterator[None]:
    """Sources that a test registers are forgotten after it."""
    known = dict(sources.SOURCES)
    yield
    sources.SOURCES.clear()
    sources.SOURCES.update(known)


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    return Problem(CONFIG, tmp_path, 6, images=130, real=False, hidden_sizes=(9, 7), batch_size=10)


@pytest.fixture
def script() -> Iterator[ModuleType]:
    """scripts/benchmark.py as a module."""
    specification = importlib.util.spec_from_file_location("script_benchmark", ROOT / "scripts" / "benchmark.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    before = signal.getsignal(signal.SIGTERM)
    yield module
    signal.signal(signal.SIGTERM, before)
