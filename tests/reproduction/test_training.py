"""One training's process."""

import os
import sys
import time
from pathlib import Path

import pytest

from cifar_mlp.common.results import config_fingerprint
from cifar_mlp.reproduction.plan import Planned, Variant
from cifar_mlp.reproduction.training import Training
from tests.reproduction.planted import CONFIGS, ROOT

PLANNED = Planned(Variant("q4_best"), 0)


def test_a_row_has_the_settings_that_its_training_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("PRETEND_LOG", str(tmp_path / "log"))
    config = tmp_path / "q4_best.yaml"
    config.write_text((CONFIGS / "q4_best.yaml").read_text())
    training = Training(PLANNED, tmp_path, tmp_path / "runs", quick=True)
    before = config_fingerprint(config)
    with open(os.devnull) as lock:
        training.start([sys.executable, "-m", "tests.reproduction.pretend"], 1, lock.fileno())
    while not training.has_ended():
        time.sleep(0.05)
    training.stop()
    config.write_text(config.read_text().replace("max_epochs: 25", "max_epochs: 26"))
    assert config_fingerprint(config) != before
    row = training.result(keep_checkpoint=False)
    assert row is not None, training.problem()
    assert row["settings"] == before
