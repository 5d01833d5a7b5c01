"""Tests marked ``cuda`` or ``mps`` are deselected where PyTorch has no such device; the summary counts them."""

from collections import Counter

import pytest
import torch

GPUS = {"cuda": ("NVIDIA", torch.cuda.is_available), "mps": ("Apple", torch.backends.mps.is_available)}
ABSENT = "absent_gpus"
deselected: Counter[str] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, absent = [], []
    for item in items:
        missing = next((gpu for gpu, (_, here) in GPUS.items() if item.get_closest_marker(gpu) and not here()), None)
        (kept if missing is None else absent).append(item)
        deselected.update([missing] if missing else [])
    items[:] = kept
    config.hook.pytest_deselected(items=absent)
    if hasattr(config, "workeroutput"):  # a process of pytest-xdist: only the main one writes a summary
        config.workeroutput[ABSENT] = dict(deselected)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Every process collects everything, so one count is enough."""
    deselected.update(getattr(node, "workeroutput", {}).get(ABSENT, {}) if not deselected else {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for gpu, count in deselected.items():
        terminalreporter.write_line(f"{gpu}: {count} tests deselected, no {GPUS[gpu][0]} GPU")
