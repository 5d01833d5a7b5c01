"""Pictures, texts, settings and curves reach every logger; pictures that one cannot take are in the run's folder."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger
from lightning_utilities.core.imports import RequirementCache
from PIL import Image

from cifar_mlp.cli import main, run
from cifar_mlp.cli.fit_and_test import fit_and_test
from cifar_mlp.cli.run_logger import RunLogger, with_a_folder

FIT = ["--data.source", "digits", "--data.n_components", "6", "--model.hidden_sizes", "[5]"]
FIT += ["--trainer.max_epochs", "2", "--views.histograms_every_n_epochs", "0", "--views.projector_images", "0"]
PICTURES = {
    "views/eigen_images", "views/explained_variance", "views/reconstructions", "views/first_layer_weights",
    "views/reliability", "views/ten_images", "views/most_confident_errors", "views/class_averages",
    "val/confusion_matrix", "test/confusion_matrix",
}  # fmt: skip
TEXTS = {"run/config", "run/commit", "run/provenance", "run/environment", "digits/result/test"}
CURVES = {
    "digits/train/loss", "digits/val/accuracy", "digits/test/accuracy", "digits/train_val_gap/loss",
    "digits/within/hp/val_accuracy", "digits/within/hp/test_accuracy", "digits/val_class_accuracy/0",
}  # fmt: skip


class Kept(Logger):
    """Keeps what it is given: the curves alone."""

    name, version = "kept", "0"
    made: ClassVar[list["Kept"]] = []

    def __init__(self) -> None:
        self.curves: dict[str, list[float]] = {}
        self.settings: dict[str, Any] = {}
        self.pictures: dict[str, Any] = {}
        self.texts: dict[str, str] = {}
        Kept.made.append(self)

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append(value)

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        self.settings |= params


class Shows(Kept):
    """Has the methods of Weights & Biases' logger."""

    def log_image(self, key: str, images: list[Any], step: int | None = None, **_: Any) -> None:
        assert step is not None
        (self.pictures[key],) = images

    def log_text(self, key: str, columns: list[str], data: list[list[str]]) -> None:
        assert columns == ["text"]
        self.texts[key] = data[0][0]


class Client:
    """What :class:`MLFlowLogger` calls of MLflow's client."""

    def __init__(self, logger: "Flows") -> None:
        self.logger = logger

    def log_image(self, run_id: str, image: Any, *, key: str, step: int) -> None:
        assert (run_id, step >= 0) == ("7", True)
        self.logger.pictures[key] = image

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        assert run_id == "7"
        assert artifact_file.endswith(".md")
        self.logger.texts[artifact_file.removesuffix(".md")] = text


class Flows(Kept, MLFlowLogger):
    """MLflow's logger, without MLflow."""

    run_id = "7"
    save_dir = None

    def __init__(self) -> None:
        Kept.__init__(self)

    @property
    def experiment(self) -> Any:
        return Client(self)

    def finalize(self, status: str = "success") -> None:
        pass

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        pass


def png_names(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "pictures").iterdir()}


NAMES = {name.removeprefix("views/").replace("/", "_") for name in PICTURES}


@pytest.mark.slow
def test_each_gets_what_it_takes_and_the_folder_all(views: None, capsys, monkeypatch):
    monkeypatch.setattr(Kept, "made", [])
    named = [{"class_path": f"{__name__}.{kind.__name__}"} for kind in (Shows, Flows, Kept)]
    Path("three.yaml").write_text(yaml.safe_dump({"trainer": {"logger": named}}))
    fit_and_test([*FIT, "--config", "three.yaml"])
    (folder,) = Path("lightning_logs/digits-three").iterdir()
    with Image.open(folder / "pictures/eigen_images.png") as shown:
        eigen_images = np.asarray(shown)
    results = json.loads((folder / "results.json").read_text())
    for logger in Kept.made:
        assert str(logger.settings["data.n_components"]) == "6"
        assert logger.curves.keys() >= CURVES
        assert logger.curves["digits/within/hp/test_accuracy"] == [pytest.approx(results["best"]["test/accuracy"])]
    for logger in Kept.made[:2]:
        assert {name.removeprefix("digits/") for name in logger.pictures} == PICTURES
        assert np.array_equal(eigen_images, logger.pictures["digits/views/eigen_images"])
        assert logger.texts.keys() == TEXTS
        assert yaml.safe_load(logger.texts["run/config"])["data"]["n_components"] == 6
    assert not Kept.made[2].pictures
    assert capsys.readouterr().out.count(f"; Kept takes no pictures, they are in {folder}/pictures") == 1
    assert png_names(folder) == NAMES
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert list(folder.glob("events*")), "TensorBoard has the run too"
    assert {path.name for path in Path().iterdir()} == {"lightning_logs", "three.yaml"}
    go_on = ["fit", "--ckpt_path", "last", "--trainer.max_epochs", "3", "--views.all", "false"]
    with pytest.raises(ValueError, match="which a checkpoint must not bring along: name it again"):
        run(go_on)
    run([*go_on, "--config", "three.yaml"])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert len(Kept.made[-1].curves["digits/val/loss"]) == 1


@pytest.mark.slow
def test_csv_has_its_own_folder_with_pictures_settings_and_curves(views: None, capsys):
    only_tensorboard = [
        f"--views.{name}=false" for name in ("precision_recall", "graph", "curve_layout", "result_in_words")
    ]
    only_tensorboard += ["--views.activations_every_n_epochs=0"]
    fit_and_test([*FIT, *only_tensorboard, "--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "csv"])
    said = capsys.readouterr()
    (folder,) = Path("csv/lightning_logs").iterdir()
    assert said.out.count(f"CSVLogger takes no pictures, they are in {folder}/pictures") == 1
    assert png_names(folder) == NAMES
    columns = set((folder / "metrics.csv").read_text().splitlines()[0].split(","))
    assert columns >= CURVES
    assert "data.n_components: " in (folder / "hparams.yaml").read_text()
    assert (folder / "checkpoints/last.ckpt").is_file()
    assert not Path("lightning_logs").exists()
    assert (folder / "config.yaml").is_file()
    assert (folder / "provenance.json").is_file()


def test_a_logger_with_a_folder_leads(monkeypatch):
    monkeypatch.setattr(Kept, "made", [])
    kept, csv, made = Kept(), CSVLogger("csv"), RunLogger("runs")
    assert with_a_folder([kept, csv], pytest.fail) == [csv, kept]
    assert with_a_folder(kept, lambda: made) == [made, kept]


def test_a_logger_that_is_not_installed_is_one_line(capsys, monkeypatch):
    absent = RequirementCache("wandb>=999")
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", absent)
    with pytest.raises(SystemExit):
        main(["fit", *FIT, "--trainer.logger", "WandbLogger"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "wandb" in line
    assert "pip install" in line
    assert not Path("lightning_logs").exists()
