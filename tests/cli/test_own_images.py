"""Your own images on the command line: one training run on a folder, and what its checkpoint is good for."""

import csv
import io
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import main, run
from cifar_mlp.cli.fit_and_test import fit_and_test

CLASSES = ["a very long name that fits below no picture", "ca$h $cow", "white dog", "élan"]
OPTIONS = ["--data.source", "folder", "--data.root", "my photos", "--data.image_size", "12", "--data.batch_size", "20"]
FIT = [*OPTIONS, "--data.n_components", "8", "--model.hidden_sizes", "[6]", "--trainer.max_epochs", "2"]


def make_photos(root: Path) -> None:
    """40 images of each class, of several sizes, modes and formats, and one file that is no image."""
    draw = np.random.default_rng(0)
    for level, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(40):
            pixels = draw.integers(50 * level, 50 * level + 90, (14, 9 + number % 3, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).convert(["RGB", "L", "RGBA"][number % 3])
            image.save(root / name / f"{number}.{'png' if number % 3 else 'jpg'}")
    (root / name / "broken.png").write_text("no image")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with ``my photos`` and a run on them, views included."""
    work = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        patch.setenv("HOME", str(work / "home"))
        patch.delenv("CIFAR10_ROOT", raising=False)
        patch.setattr(Views, "callbacks", VIEWS)
        make_photos(Path("my photos"))
        fit_and_test(FIT)
    return work


VIEWS = Views.callbacks  # before the tests leave them out


@pytest.fixture
def at_work(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that directory, as the working directory."""
    work = tmp_path / "copy"
    shutil.copytree(trained, work)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(work / "home"))
    return work


def the_run(work: Path) -> Path:
    (folder,) = work.glob("lightning_logs/folder-default/version_*")
    return folder


def predictions() -> list[dict[str, str]]:
    return list(csv.DictReader(Path("predictions.csv").read_text(encoding="utf-8").splitlines()))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code in (1, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_every_picture_curve_and_table_has_the_folder_s_classes(trained: Path):
    folder = the_run(trained)
    pictures = {path.stem for path in (folder / "pictures").iterdir()}
    assert pictures >= {
        "first_layer_weights", "eigen_images", "reconstructions", "explained_variance", "val_confusion_matrix",
        "test_confusion_matrix", "most_confident_errors", "class_averages", "reliability",
    }  # fmt: skip
    sizes = [Image.open(io.BytesIO(path.read_bytes())).size for path in (folder / "pictures").iterdir()]
    assert max(map(max, sizes)) < 2_500
    results = json.loads((folder / "results.json").read_text())
    assert len(results["best"]["test/confusion"]) == 4
    assert results["best"]["val/images"] == 24
    images = results["provenance"]["data"]
    assert (images["images"], images["classes"], len(images["sha256"])) == (160, 4, 64)
    events = EventAccumulator(str(folder)).Reload()
    assert {tag.split("/", 2)[2] for tag in events.Tags()["scalars"] if "val_class_accuracy" in tag} == set(CLASSES)
    assert "data.source: folder" in (folder / "hparams.yaml").read_text()
    assert "white dog" in (folder / "projector" / "classes.tsv").read_text(encoding="utf-8")


def test_a_checkpoint_alone_predicts_with_the_folder_s_classes(at_work: Path):
    shutil.move("my photos", "elsewhere")
    main(["predict", "--ckpt_path", "best", "--data.predict_path", "elsewhere/élan"])
    rows = predictions()
    assert list(rows[0])[2:-1] == CLASSES
    assert len(rows) == 41
    assert sum(row["predicted"] == "élan" for row in rows) > 20
    assert [Path(row["file"]).name for row in rows if row["error"]] == ["broken.png"]


def test_the_images_for_testing_are_predicted_by_name(at_work: Path):
    main(["predict", "--ckpt_path", "best"])
    files = [row["file"] for row in predictions()]
    assert len(set(files)) == 24
    assert all(Path(file).is_file() for file in files)


def test_a_run_continues_with_the_same_images_only(at_work: Path, capsys: pytest.CaptureFixture[str]):
    command = run(["fit", "--ckpt_path", "last", "--trainer.max_epochs", "3"])
    assert command.trainer.current_epoch == 3
    assert command.model.class_names == CLASSES
    more = ["--trainer.max_epochs", "4"]
    assert "--data.image_size asks for [3, 8, 8]" in refused(
        ["fit", "--ckpt_path", "last", "--data.image_size", "8", *more], capsys
    )
    Image.new("RGB", (9, 9)).save("my photos/élan/new.png")
    assert "holds other images (161) than those of" in refused(["fit", "--ckpt_path", "last", *more], capsys)
    with pytest.warns(UserWarning, match="some that are held out now may have been trained on"):
        run(["test", "--ckpt_path", "last"])
    Path("my photos").rename("moved")
    assert "--data.root my photos does not exist" in refused(["test", "--ckpt_path", "last"], capsys)
    Path("moved").rename("my photos")
    (Path("my photos") / "zebra").mkdir()
    assert "zebra: not among the classes that are trained" in refused(["test", "--ckpt_path", "last"], capsys)


def test_another_folder_is_another_run(at_work: Path):
    make_photos(Path("others"))
    run(["fit", *FIT, "--data.root", "others", "--views.all", "false", "--resume", "auto"])
    assert len(list(Path("lightning_logs/folder-default").iterdir())) == 2


def test_a_folder_that_cannot_be_is_one_line_and_leaves_nothing(capsys: pytest.CaptureFixture[str]):
    assert "--data.source folder needs --data.root" in refused(["fit", *OPTIONS[:2]], capsys)
    assert "--data.root my photos does not exist" in refused(["fit", *OPTIONS], capsys)
    assert "--data.grey needs --data.source folder" in refused(["fit", "--data.grey", "true"], capsys)
    assert list(Path().iterdir()) == []


def test_folds_batches_and_other_sizes_work_on_a_folder(at_work: Path):
    options = [*OPTIONS, "--data.num_folds", "3", "--data.fold", "1", "--data.grey", "true", "--data.scaling"]
    command = run(["fit", *options, "standardize_pixels", "--trainer.fast_dev_run", "1"])
    assert command.model.network.first.in_features == 144
    assert command.datamodule.num_train in (90, 91)
    counts = torch.bincount(command.datamodule.val_images()[1])
    assert counts.max() - counts.min() <= 1


def test_the_page_s_example_does_what_the_page_says(capsys: pytest.CaptureFixture[str]):
    section = (Path(__file__).parents[2] / "docs" / "data.md").read_text().split("## Your own images")[1]
    blocks = dict(re.findall(r"^```(\w*)\n(.*?)^```", section[section.index("For example") :], re.M | re.S))
    exec(compile(blocks["python"], "docs/data.md", "exec"), {})
    for line in blocks["bash"].splitlines():
        main(shlex.split(line)[1:])
    said = capsys.readouterr().out
    assert "1,797 images of 10 classes from digits, validation and test images drawn by the seed" in said
    for line in blocks[""].splitlines():  # figures differ from machine to machine
        assert re.search(re.sub(r"\b0\.\d+", r"0\\.\\d+", line.replace("...", ".*")), said), line
