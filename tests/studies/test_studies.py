"""``cifar-mlp seeds`` and ``cifar-mlp cv`` as real processes."""

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cifar_mlp.callbacks.run_record import records
from cifar_mlp.cli import export_command, run
from cifar_mlp.data.digits import Digits
from cifar_mlp.models import Classifier, Ensemble
from cifar_mlp.studies import outcome, study_command
from cifar_mlp.studies.members import Seen
from cifar_mlp.studies.outcome import lines_of
from cifar_mlp.studies.study import finished, plan
from tests.studies.conftest import SMALL


def refused(capsys: pytest.CaptureFixture[str], kind: str, *options: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        study_command.main(options, kind, ["no program runs"])
    assert stopped.value.code != 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.slow
def test_every_image_is_held_out_once(cross_validation: Path):
    with np.load(cross_validation / "predictions.npz") as found:
        images, labels, probabilities = found["image"], found["label"], found["probabilities"]
    assert sorted(images) == list(range(1_527))
    known = Digits().load(None, "train", 0)[1].numpy()
    assert (known[images] == labels).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    rows = list(csv.DictReader((cross_validation / "predictions.csv").read_text().splitlines()))
    right = np.mean([row["class"] == row["predicted"] for row in rows])
    table = (cross_validation / "table.md").read_text()
    measured = [
        line["last"]["val/accuracy"] for line in json.loads((cross_validation / "results.json").read_text())["runs"]
    ]
    assert abs(right - np.mean(measured)) < 1e-3
    assert "| fold 1 |" in table
    assert "95 % interval" in table
    assert (cross_validation / "confusion.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_nothing_runs_twice_and_other_settings_are_refused(cross_validation: Path, capsys: pytest.CaptureFixture[str]):
    cache = ["--data.cache_dir", str(cross_validation.parent)]
    options = ["--folds", "2", "--output", str(cross_validation), *SMALL, *cache]
    study_command.main(options, "cv", ["no program runs"])
    assert "2 runs wanted, 2 of them done" in capsys.readouterr().out
    said = refused(capsys, "cv", *options, "--data.batch_size", "77")
    assert "other settings (data.batch_size 200)" in said


@pytest.mark.slow
def test_the_ensemble_is_a_checkpoint(cross_validation: Path, capsys: pytest.CaptureFixture[str]):
    path = cross_validation / "ensemble.ckpt"
    ensemble = Ensemble.load_from_checkpoint(path).eval()
    images = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8)
    members = sorted(cross_validation.rglob("last.ckpt"))
    alone = [torch.softmax(Classifier.load_from_checkpoint(member).eval()(images), 1) for member in members]
    torch.testing.assert_close(torch.softmax(ensemble(images), 1), torch.stack(alone).mean(0))
    tested = run(["test", "--ckpt_path", str(cross_validation)])
    shown = float(tested.trainer.callback_metrics["digits/test/accuracy"])
    assert f"{100 * shown:.2f} |" in (cross_validation / "table.md").read_text().splitlines()[-3]
    run(["predict", str(path)])
    assert len(Path("predictions.csv").read_text().splitlines()) == 271
    export_command.main([str(path), "--format", "pt2", "--fold"])
    assert "the same classes" in capsys.readouterr().out
    for arguments, words in ((["validate"], "were trained on these images"), (["fit"], "for use alone")):
        with pytest.raises(ValueError, match=words):
            run([*arguments, "--ckpt_path", str(path)])
    with pytest.raises(ValueError, match="takes uint8 images"):
        ensemble(torch.zeros(1, 6))


@pytest.mark.long
def test_seeds_continue_with_an_interrupted_run(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MADE_ROOT", str(small_cifar))
    monkeypatch.setenv("PYTHONPATH", f"{Path(study_command.__file__).parents[2]}:{Path(__file__).parents[2]}")
    options = ["--model.hidden_sizes", "[8]", "--trainer.max_epochs", "2", "--data.batch_size", "50"]
    folder = Path("studies/default-seeds")
    study = plan("seeds", 1, options, "default", folder)
    study.keep()
    begun = folder / "runs" / "default" / "seed_0"
    config = ["--config", str(folder / "default.yaml"), "--trainer.default_root_dir", str(begun)]
    run(["fit", *config, "--trainer.max_epochs", "1"])
    study_command.main(["--seeds", "1", *options], "seeds", [sys.executable, "-m", "tests.studies.made_study_fit"])
    parts = [records(checkpoint.parent.parent)[-1]["from_step"] for checkpoint in finished(folder)]
    assert parts == [5]  # the run had an epoch behind it
    assert [study.label(planned) for planned in study.planned] == ["seed 0"]
    run(["validate", "--ckpt_path", str(folder / "ensemble.ckpt")])  # the same images for all members


def test_the_table_s_figures():
    rows = [{"last": {"val/accuracy": value}} for value in (0.5, 0.6)]
    study = type("Planned", (), {"planned": [0, 1], "label": staticmethod(lambda planned: f"seed {planned}")})
    heads, found = lines_of(study, rows)  # type: ignore[arg-type]
    assert heads[1:] == ["validation"]
    assert found[2:] == [["mean", "55.00"], ["standard deviation", "7.07"], ["95 % interval", "-8.53 to 118.53"]]


def test_all_runs_predictions_are_written_and_counted(monkeypatch: pytest.MonkeyPatch):
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    labels = torch.tensor([0, 0])
    parts = [Seen(torch.tensor(places), torch.zeros(2), labels, probabilities) for places in ([4, 1], [0, 3])]
    study = SimpleNamespace(folder=Path(), planned=[0, 1], label=lambda planned: f"fold {planned}")
    outcome.write_predictions(study, parts, ["x", "y"])  # type: ignore[arg-type]
    rows = [line.split(",") for line in Path("predictions.csv").read_text().splitlines()]
    assert rows[0] == ["run", "image", "class", "predicted", "x", "y"]
    assert [row[:4] for row in rows[1:]] == [
        [f"fold {run}", image, "x", predicted]
        for run, image, predicted in ((0, "4", "x"), (0, "1", "y"), (1, "0", "x"), (1, "3", "y"))
    ]
    with np.load("predictions.npz") as found:
        assert found["run"].tolist() == [0, 0, 1, 1]
        assert found["image"].tolist() == [4, 1, 0, 3]
    counted = []
    monkeypatch.setattr(outcome, "confusion_matrix", lambda counts, names, title: counted.append(counts.tolist()))
    monkeypatch.setattr(outcome, "save_figure", lambda figure, path: None)
    outcome.draw_confusion(study, parts, ["x", "y"])  # type: ignore[arg-type]
    assert counted == [[[2, 2], [0, 0]]]


def test_mistakes_are_one_line_before_anything_runs(capsys: pytest.CaptureFixture[str]):
    assert "--folds must be at least 2, not 1" in refused(capsys, "cv", "--folds", "1")
    few = ("--data.source", "digits", "--folds")
    assert "--folds must be between 2 and 1527, not 9999" in refused(capsys, "cv", *few, "9999")
    assert "--folds 1000 leaves no share of every class" in refused(capsys, "cv", *few, "1000")
    assert "--data.batch_size must be between 1 and the 763" in refused(
        capsys, "cv", *few, "2", "--data.batch_size", "9999"
    )
    assert "hidden_sizes must be at least 1" in refused(capsys, "cv", *few, "2", "--model.hidden_sizes", "[-1]")
    assert "--resume auto cannot be given to seeds" in refused(capsys, "seeds", "--resume", "auto")
    assert "use cifar-mlp cv" in refused(capsys, "seeds", "--data.source", "digits")
    assert "--data.num_folds 3" in refused(capsys, "cv", "--data.num_folds", "3")
    for kind in ("seeds", "cv"):
        assert "--data.val_size 0 leaves no validation" in refused(capsys, kind, "--data.val_size", "0")
    assert "--trainer.logger False" in refused(capsys, "cv", "--trainer.logger", "false")
    assert "did you mean --trainer.max_epochs" in refused(capsys, "cv", "--epochs", "3")
    assert not Path("studies").exists()
    Path("taken").touch()
    assert "--output taken is a file: name a folder" in refused(capsys, "seeds", "--output", "taken")
    digits = ("--data.source", "digits", "--output", "taken/inside")
    assert "--output taken/inside cannot be written (Not a directory)" in refused(capsys, "cv", *digits)


def test_a_folder_holds_one_kind_of_study(capsys: pytest.CaptureFixture[str]):
    study = plan("seeds", 2, ["--seed_everything", "7"], "default", Path("other"))
    assert [study.label(planned) for planned in study.planned] == ["seed 7", "seed 8"]
    plan("seeds", 2, [], "default", Path("mine")).keep()
    assert len(plan("seeds", 3, [], "default", Path("mine")).planned) == 3
    said = refused(capsys, "cv", "--output", "mine")
    assert "--output mine holds what cifar-mlp seeds made: choose another folder" in said
    folds = plan("cv", 2, [], "default", Path("folds"))
    folds.keep()
    assert [one.variant.options[1::2] for one in folds.planned] == [("2", "0"), ("2", "1")]
    assert "cifar-mlp cv --folds 2 made" in refused(capsys, "cv", "--folds", "3", "--output", "folds")
