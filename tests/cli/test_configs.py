"""Every config parses and trains a batch."""

from pathlib import Path

import pytest
import yaml

from cifar_mlp.cli import run
from cifar_mlp.common.course_report import REPORT

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CONFIG_FILES = sorted([*CONFIGS.glob("*.yaml"), *CONFIGS.glob("report/*.yaml")])


@pytest.mark.parametrize("config", CONFIG_FILES, ids=lambda config: config.stem)
def test_a_config_parses_and_runs_one_batch(small_cifar: Path, config: Path):
    few = ["--data.n_components", "20"] if "n_components" in config.read_text() else []
    command = run(["fit", "--config", str(config), "--data.batch_size", "50", *few, "--trainer.fast_dev_run", "1"])
    assert command.trainer.global_step == 1


QUESTION_4 = [name for name in REPORT if name.startswith("q4")]


@pytest.mark.parametrize("name", QUESTION_4)
def test_a_report_card_asks_for_float32_and_names_its_command(name: str):
    text = (CONFIGS / "report" / f"{name}.yaml").read_text()
    settings = yaml.safe_load(text)
    assert settings["trainer"]["precision"] == "32-true"
    assert f"scripts/fit.sh --config configs/report/{name}.yaml" in text
    optimizer = settings["model"]["optimizer"]
    assert optimizer == {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3, "weight_decay": 1e-3}}
    assert settings["model"]["lr_scheduler"]["init_args"] == {"gamma": 0.95}


def test_the_networks_are_the_report_s():
    requested = {name: yaml.safe_load((CONFIGS / "report" / f"{name}.yaml").read_text()) for name in QUESTION_4}
    assert {name: settings["model"]["hidden_sizes"] for name, settings in requested.items()} == {
        "q4_two_layer_4b": [550],
        "q4_two_layer": [550],
        "q4_three_layer": [550, 128],
        "q4_four_layer": [550, 128, 100],
        "q4_five_layer": [550, 250, 180, 120],
        "q4_dropout": [550, 128, 100],
        "q4_best": [550, 128, 100],
    }
    assert {name for name, settings in requested.items() if settings["model"]["activation"] != "relu"} == {"q4_best"}
    assert {name for name, settings in requested.items() if settings["trainer"]["max_epochs"] != 20} == {"q4_best"}
