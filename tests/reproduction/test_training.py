"""One training's process."""

import os
import sys
from pathlib import Path

from cifar_mlp.reproduction.plan import Planned, Variant
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.training import Training
from tests.reproduction.planted import CONFIGS


def test_a_training_stopped_before_it_starts_starts_no_process(tmp_path: Path):
    training = Training(Planned(Variant("q4_best"), 0), Store(tmp_path / "out", CONFIGS))
    ran = tmp_path / "ran"
    program = [sys.executable, "-c", f"open({str(ran)!r}, 'w')"]
    training.stop()
    with open(os.devnull) as lock:
        training.run(program, 1, lock.fileno())
    assert not ran.exists()
    other = Training(training.planned, training.store)
    with open(os.devnull) as lock:
        other.run(program, 1, lock.fileno())
    assert ran.exists()
