"""A sweep file that cannot be is refused in one line, before any trial."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from cifar_mlp.cli import main
from cifar_mlp.sweep.config import arguments, base_values, require_options
from cifar_mlp.sweep.samplers import grid_of, sampler_of
from cifar_mlp.sweep.sweep_file import read_space

LR = {"low": 0.001, "high": 0.1}
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"objective": "test/accuracy"}, "test images stay untouched"),
        ({"trails": 3}, "unknown key 'trails'"),
        ({"base": "gone.yaml"}, "there is no gone.yaml"),
        ({"sampler": "bayes"}, "sampler must be one of random, grid, tpe, not 'bayes'"),
        ({"trials": 0}, "trials must be a whole number, 1 or more"),
        ({"trials": None}, "trials must be a whole number"),
        ({"seed": -1}, "seed must be a whole number, 0 or more"),
        ({"search": None}, "search must name at least one option"),
        ({"search": {"data.val_size": [10, 20]}}, "cannot be searched"),
        ({"search": {"seed_everything": [1, 2]}}, "set by the sweep itself"),
        ({"settings": {"trainer.callbacks": []}}, "set by the sweep itself"),
        ({"settings": {"model.optimizer.lr": 0.1}}, "under both search and settings"),
        ({"settings": [1]}, "settings must hold values by name"),
        ({"search": {"model.optimizer.lr": {"low": 0.1}}}, "low and high"),
        ({"search": {"model.optimizer.lr": {**LR, "hihg": 1}}}, "low and high"),
        ({"search": {"model.optimizer.lr": {"low": 0.1, "high": 0.01}}}, "low < high"),
        ({"search": {"model.optimizer.lr": {"low": 0, "high": 1, "log": True}}}, "low > 0"),
        ({"search": {"model.optimizer.lr": {**LR, "log": "yes"}}}, "log is true or false"),
        ({"search": {"model.optimizer.lr": {"low": "few", "high": 1}}}, "must be a number, not 'few'"),
        ({"search": {"data.n_components": {"low": 1, "high": 10, "step": 4}}}, "must divide"),
        ({"search": {"model.activation": ["relu", "relu"]}}, "none twice"),
        ({"pruning": {"warmup": 1}}, "unknown key pruning.warmup"),
        ({"confirm": {"top": 1, "seeds": []}}, "confirm.seeds must be a list"),
        ({"confirm": {"top": 1, "seeds": [1, 1]}}, "different seeds"),
        ({"confirm": {"seeds": [1]}}, "confirm.top must be a whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(sweep_file: Callable[..., Path], keys: dict[str, Any], said: str):
    with pytest.raises((ValueError, FileNotFoundError), match=r"mine\.yaml: ") as refused:
        read_space(sweep_file(**keys))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"model.optimizer.lrr": LR}, "lrr"),
        ({"model.hidden_size": [[8], [9]]}, "hidden_size"),
        ({"model.activation": ["relu", "rely"]}, "rely"),
        ({"data.n_components": {"low": 1.5, "high": 8}}, "n_components"),
    ],
)
def test_options_that_the_command_line_does_not_take_are_refused(
    sweep_file: Callable[..., Path], search: dict[str, Any], said: str
):
    space = read_space(sweep_file(search=search))
    with pytest.raises(ValueError, match=r"mine\.yaml: ") as refused:
        require_options(space)
    assert said in str(refused.value)


def test_without_validation_there_is_nothing_to_compare_trials_by(sweep_file: Callable[..., Path]):
    space = read_space(sweep_file(settings={"data.val_size": 0}))
    with pytest.raises(ValueError, match=r"mine\.yaml: data.val_size 0 leaves no validation"):
        require_options(space)


def test_ranges_and_choices_become_what_they_look_like(sweep_file: Callable[..., Path]):
    search = {
        "model.optimizer.lr": {"low": "1e-3", "high": 0.1, "log": True},
        "data.n_components": {"low": 10, "high": 30, "step": 10},
        "model.dropout": {"low": 0.0, "high": 0.5, "step": 0.25},
        "model.hidden_sizes": [[8], [16, 8], []],
        "model.lr_scheduler": [None, "ConstantLR"],
    }
    space = read_space(sweep_file(search=search))
    assert list(space.search.values()) == [
        FloatDistribution(0.001, 0.1, log=True),
        IntDistribution(10, 30, step=10),
        FloatDistribution(0.0, 0.5, step=0.25),
        CategoricalDistribution(["[8]", "[16, 8]", "[]"]),
        CategoricalDistribution([None, "ConstantLR"]),
    ]
    require_options(space)
    options = {"model.hidden_sizes": "[16, 8]", "data.n_components": 20, "model.lr_scheduler": None}
    assert arguments(space, options)[2:] == [
        "--model.hidden_sizes=[16, 8]", "--data.n_components=20", "--model.lr_scheduler=null",
    ]  # fmt: skip


def test_the_base_config_s_values_are_found_where_they_lie_within_the_ranges(sweep_file: Callable[..., Path]):
    search = {
        "model.optimizer.lr": LR,
        "model.init_args.hidden_sizes": [[8], [9]],
        "data.batch_size": [50, 60],
        "model.activation": ["relu", "tanh"],
        "data.n_components": {"low": 1, "high": 9},
    }
    found = {"model.optimizer.lr": 0.01, "model.init_args.hidden_sizes": "[8]", "model.activation": "relu"}
    assert base_values(read_space(sweep_file(search=search))) == found
    assert base_values(read_space(sweep_file(search=search, settings={"model.dropout": 0.1}))) == {}


def test_a_grid_has_every_point_once_and_the_base_config_s_not_again(sweep_file: Callable[..., Path]):
    search = {"model.optimizer.lr": {"low": 0.01, "high": 0.03, "step": 0.01}, "model.activation": ["relu", "tanh"]}
    space = read_space(sweep_file(search=search, sampler="grid"))
    base = base_values(space)
    points = grid_of(space, base)
    assert len(points) == 5
    assert base not in points
    assert len({repr(point) for point in points}) == 5
    endless = read_space(sweep_file(sampler="grid"))
    with pytest.raises(ValueError, match="needs a list or a step"):
        grid_of(endless, {})


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_what_is_drawn_is_a_function_of_seed_and_place(sweep_file: Callable[..., Path], sampler: str):
    def draw(seed: int, slot: int) -> float:
        study = optuna.create_study(sampler=sampler_of(read_space(sweep_file(sampler=sampler, seed=seed)), slot, []))
        return study.ask().suggest_float("x", 0, 1)

    assert draw(0, 1) == draw(0, 1)
    assert len({draw(seed, slot) for seed in (0, 1) for slot in (1, 2, 3)}) == 6


def test_a_fingerprint_is_of_what_makes_trials_comparable(sweep_file: Callable[..., Path]):
    first = read_space(sweep_file()).fingerprint
    assert read_space(sweep_file(trials=9, confirm={"top": 1, "seeds": [1]})).fingerprint == first
    others = [
        {"seed": 1},
        {"sampler": "random"},
        {"pruning": {"warmup_epochs": 1}},
        {"settings": {"model.dropout": 0.1}},
        {"search": {"model.optimizer.lr": LR}},
    ]
    assert len({first, *(read_space(sweep_file(**keys)).fingerprint for keys in others)}) == 1 + len(others)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_committed_sweeps_are_accepted(path: Path):
    space = read_space(path)
    require_options(space)
    model = yaml.safe_load(space.base.read_text())["model"]
    assert model["gradients"] == "hand"
    assert model["regularization"] if space.base.parent.name == "report" else model["label_smoothing"]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs" / "sweeps" / "best").glob("*.yaml")), ids=lambda path: path.stem
)
def test_found_cards_are_accepted_and_say_how_good_they_are(path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--config", str(path), "--print_config"])
    assert ended.value.code == 0
    assert "gradients: hand" in capsys.readouterr().out
    head = path.read_text()
    assert f"Run:  cifar-mlp fit --config {path.relative_to(ROOT)}" in head
    confirmed = re.search(r"(\d\d\.\d) ± \d\.\d over other seeds 1, 2, 3", head)
    assert confirmed
    assert float(confirmed[1]) > 57  # what the report states
