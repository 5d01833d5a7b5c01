"""Ingredients taken away one by one."""

import json
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from cifar_mlp.cli import run
from cifar_mlp.studies import ablation
from cifar_mlp.studies.ablation import WHOLE, ingredients, measure, table

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = [
    "--data.source",
    "digits",
    "--model.hidden_sizes",
    "[8]",
    "--trainer.max_epochs",
    "3",
    "--model.optimizer.lr=0.03",
    "--views.all",
    "false",
]


@pytest.mark.slow
def test_each_is_trained_once_with_each_seed_and_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[list[str]] = []
    monkeypatch.setattr(ablation, "run", lambda arguments: (started.append(arguments), run(arguments))[1])
    without = {"rate": ["--model.optimizer.lr=1e-9"]}
    found = measure(OPTIONS, [0, 1], tmp_path, without)
    assert measure(OPTIONS, [0, 1], tmp_path, without) == found
    assert len(started) == 4
    assert [("--model.optimizer.lr=1e-9" in one) for one in started] == [False, False, True, True]
    accuracy = {(row["without"], row["seed"]): row["validation"] for row in found["rows"]}
    assert list(accuracy) == [(WHOLE, 0), (WHOLE, 1), ("rate", 0), ("rate", 1)]
    assert min(accuracy[WHOLE, seed] for seed in (0, 1)) > max(accuracy["rate", seed] for seed in (0, 1))
    assert json.loads((tmp_path / "ablation.json").read_text()) == found
    assert (found["options"], found["epochs"]) == (OPTIONS, 3)
    with pytest.raises(ValueError, match=r"holds runs with .* choose another folder"):
        measure([*OPTIONS, "--model.dropout", "0.1"], [0], tmp_path, without)


def test_runs_of_another_version_are_refused_before_any_training(tmp_path: Path):
    (tmp_path / "ablation.json").write_text(json.dumps({"options": OPTIONS, "validation": {}}))
    with pytest.raises(ValueError, match=r"ablation.json is of another version: choose another --output$"):
        measure(OPTIONS, [0], tmp_path, {})


def test_the_table_pairs_seeds():
    values = {WHOLE: [0.70, 0.72, 0.71], "crop": [0.65, 0.67, 0.66], "flip": [0.69, 0.72, 0.72]}
    rows = [
        {"without": name, "seed": seed, "validation": value}
        for name, accuracies in values.items()
        for seed, value in enumerate(accuracies)
    ]
    text = table({"rows": rows})
    assert f"| {WHOLE} | 71.0 ± 1.0 |  |" in text
    assert "| crop | 66.0 ± 1.0 | -5.0 ± 0.0 |" in text
    assert "| flip | 71.0 ± 1.7 | +0.0 ± 2.5 |" in text


@pytest.mark.long
@pytest.mark.slow
def test_what_is_taken_away_changes_the_config(capsys: pytest.CaptureFixture[str]):
    config, printed = ROOT / "configs/record/cpu_2min.yaml", {}
    for name, options in {WHOLE: [], **ingredients(config)}.items():
        with pytest.raises(SystemExit) as ended:
            run(["fit", "--config", str(config), *options, "--print_config"])
        assert ended.value.code == 0
        printed[name] = yaml.safe_load(capsys.readouterr().out)
    assert all(one != other for one, other in combinations(printed.values(), 2))
    augment = {name: one["data"]["augment"] for name, one in printed.items()}
    whole = augment[WHOLE]
    assert augment["crop"] == {"flip": whole["flip"]}
    assert augment["flip"] == {"crop": whole["crop"]}
    assert augment["any augmentation"] is None
