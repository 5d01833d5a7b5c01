"""Sweep files over the digits."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "trainer": {"max_epochs": 2},
    "data": {"source": "digits", "batch_size": 100},
    "model": {
        "hidden_sizes": [8],
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
    },
}
SWEEP = {"base": "small.yaml", "search": {"model.optimizer.lr": {"low": 1e-3, "high": 0.1, "log": True}}, "trials": 3}


@pytest.fixture
def sweep_file(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a sweep file with these keys beside a small config; ``None`` leaves a key out."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def write(**keys: Any) -> Path:
        Path("small.yaml").write_text(yaml.safe_dump(CONFIG))
        requested = {key: value for key, value in {**SWEEP, **keys}.items() if value is not None}
        Path("mine.yaml").write_text(yaml.safe_dump(requested, sort_keys=False))
        return Path("mine.yaml")

    return write
