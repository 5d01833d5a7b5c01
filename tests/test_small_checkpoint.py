"""The checkpoint that comes with the package."""

import json
import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image

from cifar_mlp import Classifier
from cifar_mlp.cli import export_command, run
from cifar_mlp.cli.checkpoint_option import WITH_THE_PACKAGE, checkpoint_file
from cifar_mlp.training.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parent.parent
ORIGIN = json.loads((WITH_THE_PACKAGE / "small.json").read_text())
FILE = WITH_THE_PACKAGE / "small.ckpt"


def test_it_is_small_and_agrees_with_its_card():
    content = torch.load(FILE, weights_only=True)
    assert FILE.stat().st_size == ORIGIN["bytes"] < 1_000_000
    assert {name: content[name] for name in ("accuracy", "provenance")} == {
        name: ORIGIN[name] for name in ("accuracy", "provenance")
    }
    assert content["datamodule_hyper_parameters"]["root"] is None
    assert "/" not in json.dumps(ORIGIN["provenance"])
    model = Classifier.load_from_checkpoint(FILE)
    assert model.settings["hidden_sizes"] == [1000, 192]
    assert next(model.parameters()).dtype == torch.float32


def test_reading_the_file_gives_the_numbers_that_loading_gives():
    read, loaded = read_checkpoint(str(FILE))["state_dict"], Classifier.load_from_checkpoint(FILE).state_dict()
    assert read.keys() == loaded.keys()
    assert all(torch.equal(read[name], loaded[name]) for name in loaded)


def test_it_predicts_by_its_name(tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (40, 30), "blue").save(photos / "sky.png")
    run(["predict", "--ckpt_path", "small", "--data.predict_path", str(photos)])
    heading, row = Path("predictions.csv").read_text().splitlines()
    assert heading.split(",")[2:4] == ["airplane", "automobile"]
    assert row.endswith(",")  # no error


def test_a_file_of_that_name_comes_first_and_training_is_refused():
    assert checkpoint_file("small", None, training=False) == FILE
    with pytest.raises(FileNotFoundError, match="no such file"):
        checkpoint_file("smal", None, training=False)
    Path("small").mkdir()  # of images, say
    assert checkpoint_file("small", None, training=False) == FILE
    Path("small").rmdir()
    Path("small").write_bytes(b"mine")
    assert checkpoint_file("small", None, training=False) == Path("small")
    Path("small").unlink()
    with pytest.raises(ValueError, match="for use alone"):
        run(["fit", "--ckpt_path", "small"])


@pytest.mark.real_data
def test_its_accuracy_is_the_stated_one_and_it_can_be_exported(real_root: str, capsys: pytest.CaptureFixture[str]):
    tested = run(["test", "--ckpt_path", "small", "--model.test_time", "none"]).trainer.callback_metrics
    assert float(tested["test/accuracy"]) == pytest.approx(ORIGIN["accuracy"]["test/accuracy"], abs=2e-4)
    export_command.main(["small", "--format", "pt2", "--fold"])
    assert "on 1,000 test images: the same classes" in capsys.readouterr().out


def test_a_run_that_is_not_finished_is_not_shrunk(capsys: pytest.CaptureFixture[str]):
    main = runpy.run_path(str(ROOT / "scripts" / "shrink.py"))["main"]
    assert main(["nowhere", "small.ckpt"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("small.ckpt").exists()
