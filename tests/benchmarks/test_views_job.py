"""scripts/benchmark.py views."""

import runpy
from pathlib import Path

import pytest
from lightning.pytorch import Callback

from cifar_mlp.callbacks.stopwatch import Stopwatch

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark.py"


def test_the_benchmark_names_each_view_and_their_sum(views: None, capsys: pytest.CaptureFixture[str]):
    main = runpy.run_path(str(SCRIPT))["main"]
    small = ["--data.source", "digits", "--model.hidden_sizes", "[5]", "--trainer.max_epochs", "1"]
    assert main(["views", *small]) == 0
    shown = capsys.readouterr().out
    for name in ("Histograms", "ConfidentErrors", "Projector", "TrainingScalars", "all"):
        assert f"│ {name}" in shown, name


def test_a_watched_callback_does_what_it_did_and_its_time_is_added():
    class Adds(Callback):
        def on_train_end(self, trainer, pl_module):
            return trainer + pl_module

    stopwatch = Stopwatch()
    watched = stopwatch.watch(Adds())
    assert stopwatch.seconds == {"Adds": 0}
    assert [watched.on_train_end(1, 2), watched.on_train_end(3, 4)] == [3, 7]
    assert 0 < stopwatch.seconds["Adds"] < 1
