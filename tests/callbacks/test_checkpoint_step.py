"""A test is logged at the step of its checkpoint, in a resumed run too."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cifar_mlp.cli import run
from cifar_mlp.cli.fit_and_test import fit_and_test

SMALL = ["--data.source", "digits", "--data.batch_size", "300", "--model.hidden_sizes", "[6]"]
METRICS = [f"digits/test/{name}" for name in ("loss", "accuracy", "macro_f1", "calibration_error")]


def events_of(folder: str | Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()


def steps(points: Any) -> list[int]:
    return [point.step for point in points]


@pytest.mark.parametrize("network", ["Classifier", "HandwrittenClassifier"])
def test_cifar_mlp_test_logs_at_the_checkpoint_s_step(views: None, network: str):
    kind = ["--model", network, "--model.initialization", "kaiming"]
    fitted = run(["fit", *kind, *SMALL, "--trainer.max_epochs", "3", "--model.optimizer.lr", "0"])  # the first is best
    for name, step in (("best", 4), ("last", 14)):
        path = Path(fitted.trainer.log_dir) / "checkpoints" / f"{name}.ckpt"
        assert torch.load(path, weights_only=True)["global_step"] == step + 1
        logger = ["--trainer.logger", "TensorBoardLogger", "--trainer.logger.save_dir", name]
        tested = run(["test", "--ckpt_path", str(path), *logger])
        events = events_of(tested.trainer.log_dir)
        for tag in (*METRICS, "digits/within/hp/test_accuracy"):
            assert steps(events.Scalars(tag)) == [step], tag
        assert steps(events.Images("digits/test/confusion_matrix")) == [step]
    quiet = run(["test", "--ckpt_path", str(path), *logger, "--views.all", "false"])
    assert events_of(quiet.trainer.log_dir).Tags()["images"] == []


def test_a_resumed_run_is_tested_again_only_if_its_best_changed(views: None):
    def go_on(epochs: int, rate: str, *options: str) -> dict[str, Any]:
        return fit_and_test([*options, "--trainer.max_epochs", str(epochs), "--model.optimizer.lr", rate])

    first = go_on(1, "1e-4", *SMALL)
    (folder,) = Path("lightning_logs/digits-default").iterdir()
    again = ["--ckpt_path", str(folder / "checkpoints" / "last.ckpt")]
    assert steps(events_of(folder).Scalars("digits/test/accuracy")) == [4]
    unchanged = go_on(2, "1e-12", *again)
    assert {name: unchanged["best"][name] for name in first["best"]} == first["best"]
    assert unchanged["last"]["epoch"] == 2
    assert steps(events_of(folder).Scalars("digits/test/accuracy")) == [4]
    better = go_on(3, "0.1", *again)
    assert better["best"]["epoch"] == 3
    events = events_of(folder)
    for tag in METRICS:
        assert steps(events.Scalars(tag)) == [4, 14], tag
    assert steps(events.Images("digits/test/confusion_matrix")) == [4, 14]
    tested = events.Scalars("digits/within/hp/test_accuracy")  # unknown from the end of training until it is tested
    assert [(event.step, math.isnan(event.value)) for event in tested] == [(4, False), (14, True), (14, False)]
    assert [part["from_step"] for part in better["parts"]] == [0, 5, 10]
    assert {"config.yaml", "config_2.yaml", "config_3.yaml"} <= {path.name for path in folder.iterdir()}
    before = [json.loads((folder / f"results_{part}.json").read_text()) for part in (1, 2)]
    assert [results["last"]["epoch"] for results in before] == [1, 2]
    kept = json.loads((folder / "results.json").read_text())["best"]
    assert events.Scalars("digits/within/hp/test_accuracy")[-1].value == pytest.approx(kept["test/accuracy"])


def test_a_resumed_run_keeps_its_best_until_a_better_one_comes():
    first = run(["fit", *SMALL, "--trainer.max_epochs", "1", "--model.optimizer.lr", "0.1"])
    folder = Path(first.trainer.log_dir)
    before = (folder / "checkpoints" / "best.ckpt").read_bytes()
    last = str(folder / "checkpoints" / "last.ckpt")
    run(["fit", "--ckpt_path", last, "--trainer.max_epochs", "2", "--model.optimizer.lr", "1e6"])
    assert (folder / "checkpoints" / "best.ckpt").read_bytes() == before
