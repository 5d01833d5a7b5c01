"""What every test stands on: known numerics, a home of its own, no network, and data in the real file format."""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from cifar_mlp.callbacks.views import Views
from cifar_mlp.data import sources
from cifar_mlp.data.download.whole_archive import MIRROR_VARIABLE
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE
from cifar_mlp.parity.evidence.matmul_precision import full_precision
from tests.made_cifar import make_cifar10

pytest_plugins = ["tests.browser", "tests.absent_gpus", "tests.trained"]
REAL_ROOT = os.environ.get(ROOT_VARIABLE)
skipped_real_tests: list[str] = []
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job, and tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    if REAL_ROOT:
        return f"CIFAR-10: the real files under {ROOT_VARIABLE}, and a small set made in their format"
    return f"CIFAR-10: only a small set made in the real file format; {ROOT_VARIABLE} is not set"


@pytest.hookimpl(tryfirst=True)  # while the long ones are still among them: their files have other slow tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: left to the end, they would keep one process busy and the others waiting."""
    slow = {item.path for item in items if any(item.get_closest_marker(name) for name in ("slow", "long", "real_data"))}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "real_data" in report.keywords:
        skipped_real_tests.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if REAL_ROOT and skipped_real_tests:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REAL_ROOT and skipped_real_tests:
        terminalreporter.write_line(f"{ROOT_VARIABLE} is set, yet these were skipped: {skipped_real_tests}", red=True)


@pytest.fixture(autouse=True)
def numerics():
    """Seeded, float32 by default, no TF32; what was found is put back."""
    dtype = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    with full_precision():
        yield
    torch.set_default_dtype(dtype)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and a home that are empty, and no data from outside."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    caches = ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "KERAS_HOME", "XDG_CACHE_HOME")
    for variable in (ROOT_VARIABLE, MIRROR_VARIABLE, *caches):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(sys, "argv", ["cifar-mlp"])
    return work


@pytest.fixture(autouse=True)
def no_views(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit shows nothing, unless a test asks for ``views``: drawing would double the suite's time."""
    if "views" not in request.fixturenames:
        monkeypatch.setattr(Views, "callbacks", lambda self: [])


@pytest.fixture
def views() -> None:
    """A fit shows what it shows a user."""


@pytest.fixture
def small_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root of 300 training and 100 test images in the real file format; ``cifar10`` means them."""
    root = tmp_path / "made"
    source = make_cifar10(root)
    monkeypatch.setitem(sources.SOURCES, "cifar10", source)
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    return root


@pytest.fixture
def real_root(monkeypatch: pytest.MonkeyPatch) -> str:
    """Root of the real CIFAR-10."""
    if not REAL_ROOT:
        pytest.skip(f"needs the real CIFAR-10: {ROOT_VARIABLE} is not set")
    monkeypatch.setenv(ROOT_VARIABLE, REAL_ROOT)
    return REAL_ROOT


@pytest.fixture
def replace_source(monkeypatch: pytest.MonkeyPatch):
    """Change fields of a source for one test."""

    def replace(name: str, **fields: object) -> None:
        monkeypatch.setitem(sources.SOURCES, name, dataclasses.replace(sources.SOURCES[name], **fields))

    return replace
