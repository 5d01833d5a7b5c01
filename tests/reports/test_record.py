"""A run of a record config becomes a row, and rows become tables."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cifar_mlp.cli import run as fit
from cifar_mlp.common.results import config_fingerprint
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import Classifier
from cifar_mlp.models.averaged_views import mean_probabilities
from cifar_mlp.reports.record_pictures import accuracy_per_cost, draw
from cifar_mlp.reports.record_rows import add_ensemble, add_runs, flop_of_an_image
from cifar_mlp.reports.record_tables import best_rows, record_ablation, record_line, record_provenance, record_table
from cifar_mlp.studies.ablation import WHOLE

ROOT = Path(__file__).resolve().parents[2]
SPEED = {"trainings": [
    {"config": "fast", "gradients": "autograd", "epochs": 10, "seconds": [90.0], "start": [90.0]},
    {"config": "fast", "gradients": "hand", "epochs": 10, "seconds": [8.0, 10.0, 30.0], "start": [20.0]},
]}  # fmt: skip


def content(augment: dict | None) -> dict[str, Any]:
    """A checkpoint of this package, as far as the record reads it."""
    state = Classifier(in_features=4, hidden_sizes=[3], normalization="batch").state_dict()
    state["preprocessing.pca.components"] = torch.zeros(4, 12)
    recipe = {"class_path": "torch.optim.adam.Adam", "init_args": {}}
    return {
        "state_dict": state,
        "datamodule_hyper_parameters": {"augment": augment},
        "hyper_parameters": {"optimizer": recipe, "lr_scheduler": None},
        "cifar_mlp": {"model": "Classifier", "preprocessing": None, "class_names": []},
        "epoch": 1, "global_step": 1, "loops": {},
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(content({"crop": 4}), folder / "checkpoints" / "last.ckpt")
    last = {"epoch": 10, "val/images": 5000, "val/accuracy": 0.7, "test/accuracy": 0.71234}
    last |= {"test/accuracy_views18": 0.73, "val/accuracy_views18": 0.725}
    provenance = {"seed": 3, "commit": "abc", "date": "2026-11-27T07:00:00", "device": "EPYC", "precision": "32-true"}
    provenance |= {"torch": "2", "fit_seconds": 90.0, "command": "cifar-mlp fit --config fast --seed_everything 3"}
    results = {"config": "fast", "last": last, "provenance": provenance}
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "config.yaml").write_text("trainer: {max_epochs: 10}\nmodel: {class_path: X, init_args: {dropout: 0.1}}")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "fast.yaml").write_text("trainer: {max_epochs: 10}\n")
    published = {"what": "other", "test": 72.0, "parameters": 1000, "epochs": 2, "hardware": "GPU", "source": "paper"}
    (tmp_path / "record.json").write_text(json.dumps({"schema": 1, "published": [published], "runs": []}))
    return folder


def test_a_run_becomes_a_row_once_and_its_lines_say_what_it_did(run: Path, tmp_path: Path):
    document = tmp_path / "record.json"
    for busy in (True, False):
        add_runs(document, [run], tmp_path / "configs", busy)
    found = json.loads(document.read_text())
    (row,) = found["runs"]
    assert (row["test"], row["test_views"], row["views"], row["images"]) == (0.7123, 0.73, 18, 45_000)
    assert row["parameters"] == 4 * 3 + 3 + 3 + 3 + 3 * 10 + 10
    assert row["flop"] == pytest.approx(45_000 * 10 * (4 * 12 + 6 * 30 + 2 * 48), rel=1e-2)
    first, second = record_table(found, SPEED).splitlines()[2:]
    assert "[fast](../configs/record/fast.yaml)" in first, "73 is more than 72"
    assert "| 71.2 | 73.0 (18) |" in first
    assert "| 1.5 | EPYC |" in first
    assert "| other | 72.0 |" in second
    name = "**[fast](configs/record/fast.yaml)**, 18 views, 1 seed"
    assert best_rows(found) == [[f"{name}, 1.5 minutes", "10", "", "72.5", "73.0"]]
    assert "seed 3; 45,000 training images, validation 70.0 % (72.5 % averaged); EPYC; 32-true" in record_provenance(
        found
    )
    add_runs(document, [run], tmp_path / "configs", busy=True)
    found = json.loads(document.read_text())
    assert "| ≈ 2 | EPYC |" in record_table(found, SPEED), "20 s and 10 epochs of 10 s"
    found["runs"][0]["config"] = "fast_all"
    assert "| ≈ 2.2 | EPYC |" in record_table(found, SPEED), "a ninth more images an epoch"
    found["runs"][0]["config"] = "fast"
    assert best_rows(found)[0][0] == name


def test_the_first_screen_names_the_configs_with_a_time():
    rows = [{"config": config, "seed": 0, "flop": flop, "epochs": 34, "views": 18, "test_views": 0.741}
            for config, flop in (("cpu_60min", 3), ("cpu_2min", 1), ("cpu_2min_all", 2), ("small", 1))]  # fmt: skip
    said = record_line({"runs": rows})
    assert "74.1 % ([cpu_2min](configs/record/cpu_2min.yaml), 34 epochs), 74.1 % ([cpu_60min]" in said
    assert "_all" not in said
    assert "small" not in said


def test_the_ablation_says_where_its_figures_come_from():
    rows = [{"without": what, "seed": seed, "validation": value + seed / 100}
            for what, value in ((WHOLE, 0.70), ("crop", 0.65)) for seed in (0, 1)]  # fmt: skip
    where = {"device": "EPYC, 1 thread", "torch": "2", "date": "2026-11-27T07:00:00", "commit": "abc"}
    *lines, said = record_ablation({"rows": rows, "epochs": 10, "provenance": where}).splitlines()
    assert "| crop | 65.5 ± 0.7 | -5.0 ± 0.0 |" in lines
    assert said == "10 epochs, 2 seeds; EPYC, 1 thread; torch 2; 2026-11-27; commit abc."


def test_the_picture_shows_each_network_at_its_operations():
    published = {"what": "other", "test": 72.0, "parameters": 1000, "epochs": 2, "hardware": "", "source": ""}
    unknown = {**published, "what": "of unknown size", "parameters": None}
    ours = [{"config": "fast", "seed": n, "flop": 1e12, "views": 18, "test": 0.70, "test_views": 0.72} for n in (0, 1)]
    ours = [{**row, "seconds": 60.0} for row in ours]
    axes, of_minutes = accuracy_per_cost({"published": [published, unknown], "runs": ours}, SPEED).axes
    assert (1.0, 72.0) in {
        (float(x), float(y)) for line in of_minutes.lines for x, y in zip(*line.get_data(), strict=True)
    }
    assert {text.get_text() for text in axes.texts} == {"other", "fast"}
    points = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in axes.lines if len(line.get_xdata())]
    assert {(6 * 1000 * 50_000 * 2, 72.0), (1e12, 72.0), (1e12, 70.0)} <= set(points)


def test_a_name_keeps_off_the_point_above():
    row = {"seed": 0, "flop": 1e12, "views": 18, "test": 0.70, "seconds": 60.0}
    runs = [{**row, "config": name, "test_views": views} for name, views in (("fast", 0.72), ("fast_all", 0.73))]
    axes, _ = accuracy_per_cost({"published": [], "runs": runs}, SPEED).axes
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert heights["fast"] < 0 < heights["fast_all"]


def test_without_a_network_the_accuracies_alone_are_drawn(tmp_path: Path):
    assert draw({"published": [], "runs": []}, SPEED, None, tmp_path) == [tmp_path / "accuracy.png"]
    assert (tmp_path / "accuracy.png").stat().st_size > 5_000


@pytest.mark.slow
def test_the_pictures_are_of_the_run_s_last_epoch(small_cifar: Path, tmp_path: Path):
    few = ["--data.n_components", "9", "--data.scaling", "standardize", "--model.hidden_sizes", "[8]"]
    fit(["fit", *few, "--model.test_time", "mirror", "--trainer.max_epochs", "1", "--views.all", "false"])
    (run,) = (path.parent.parent for path in Path("lightning_logs").rglob("last.ckpt"))
    paths = draw({"published": [], "runs": []}, SPEED, run, tmp_path / "pictures")
    assert sorted(path.stem for path in paths) == ["accuracy", "confusion", "errors", "reliability"]
    assert all(path.stat().st_size > 5_000 for path in paths)


@pytest.mark.slow
def test_the_mean_of_seeds_is_a_line_of_its_own(small_cifar: Path, run: Path, tmp_path: Path):
    few = ["--data.n_components", "9", "--data.scaling", "standardize", "--model.hidden_sizes", "[8]"]
    few += ["--model.test_time", "mirror", "--trainer.max_epochs", "1", "--views.all", "false", "--seed_everything"]
    document, results, runs = tmp_path / "record.json", json.loads((run / "results.json").read_text()), []
    for seed in (0, 1):
        fit(["fit", *few, str(seed), "--trainer.default_root_dir", f"seed{seed}"])
        runs.append(next(Path(f"seed{seed}").rglob("last.ckpt")).parent.parent)
        results["provenance"]["seed"] = seed
        (runs[-1] / "results.json").write_text(json.dumps(results))
        (runs[-1] / "config.yaml").write_text((run / "config.yaml").read_text())
    with pytest.raises(ValueError, match="add them by --record"):
        add_ensemble(document, runs, tmp_path / "configs")
    add_runs(document, runs, tmp_path / "configs", busy=True)
    for _ in range(2):
        add_ensemble(document, runs, tmp_path / "configs")
    found = json.loads(document.read_text())
    (row,) = found["ensembles"]
    models = [Classifier.load_from_checkpoint(path / "checkpoints" / "last.ckpt").eval() for path in runs]
    images, labels = CIFAR10DataModule(root=str(small_cifar)).source.load(str(small_cifar), "test", 0)
    with torch.no_grad():
        mean = torch.stack([torch.softmax(model(images), 1) for model in models]).mean(0)
    assert row["test"] == pytest.approx(float((mean.argmax(1) == labels).double().mean()), abs=1e-3)
    with torch.no_grad():
        views = [mean_probabilities(model, images, "mirror") for model in models]
    assert row["test_views"] == pytest.approx(float((sum(views).argmax(1) == labels).double().mean()), abs=1e-3)
    assert row["seeds"] == [0, 1]
    assert "the mean of 2 seeds of [fast]" in record_table(found, SPEED)


def test_features_that_are_projected_once_cost_nothing_a_step():
    assert flop_of_an_image(content({"crop": 4})) - flop_of_an_image(content(None)) == 2 * 48


def test_a_run_of_no_card_is_refused(run: Path, tmp_path: Path):
    (tmp_path / "configs" / "fast.yaml").unlink()
    with pytest.raises(ValueError, match="fast is no config of"):
        add_runs(tmp_path / "record.json", [run], tmp_path / "configs", busy=False)


@pytest.mark.parametrize(
    ("config", "options", "words"),
    [
        (
            "trainer: {max_epochs: 12}\n",
            "",
            "trainer.max_epochs 10, and fast.yaml says 12: train it again",
        ),
        ("model: {dropout: 0.3}\n", "", "trained with model.dropout 0.1, and fast.yaml says 0.3"),
        (
            "trainer: {max_epochs: 10}\n",
            " --model.dropout=0.1",
            "with --model.dropout, which fast.yaml does not",
        ),
        ("trainer: {max_epochs: [\n", "", "has a broken config"),
    ],
)
def test_a_run_of_other_settings_than_its_config_s_is_refused(
    run: Path, tmp_path: Path, config: str, options: str, words: str
):
    (tmp_path / "configs" / "fast.yaml").write_text(config)
    results = json.loads((run / "results.json").read_text())
    results["provenance"]["command"] += options
    (run / "results.json").write_text(json.dumps(results))
    before = (tmp_path / "record.json").read_text()
    with pytest.raises(ValueError, match=words):
        add_runs(tmp_path / "record.json", [run], tmp_path / "configs", busy=False)
    assert (tmp_path / "record.json").read_text() == before


def test_the_published_rows_are_of_the_configs_as_they_stand():
    rows = json.loads((ROOT / "docs" / "record.json").read_text())["runs"]
    assert rows
    for row in rows:
        assert row["settings"] == config_fingerprint(ROOT / "configs" / "record" / f"{row['config']}.yaml")


def test_validation_by_views_is_given_only_if_every_run_has_it(run: Path, tmp_path: Path):
    add_runs(tmp_path / "record.json", [run], tmp_path / "configs", busy=False)
    found = json.loads((tmp_path / "record.json").read_text())
    assert "validation 70.0 % (72.5 % averaged)" in record_provenance(found)
    older = {name: value for name, value in found["runs"][0].items() if name != "val_views"}
    found["runs"].append({**older, "seed": 4})
    assert best_rows(found)[0][2:] == ["", "", "73.0 ± 0.0"]
    assert "validation 70.0 ± 0.0 %; EPYC" in record_provenance(found)
