import functools
import json
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, OneCycleLR, ReduceLROnPlateau, StepLR

from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.mlp import MLP
from cifar_mlp.models.recipes import from_recipe, fused, to_recipe, try_out

PARAMETERS = [torch.nn.Parameter(torch.zeros(2))]


@pytest.mark.parametrize(
    "maker", [Adam, functools.partial(SGD, lr=0.5, momentum=0.9), functools.partial(Adam, betas=(0.8, 0.9))]
)
def test_a_recipe_makes_what_its_maker_made_and_is_plain_json(maker: object):
    recipe = to_recipe(maker)
    assert json.loads(json.dumps(recipe)) == recipe
    made, expected = from_recipe(recipe)(PARAMETERS), maker(PARAMETERS)  # type: ignore[operator]
    assert type(made) is type(expected)
    for name, value in expected.defaults.items():
        assert _as_list(made.defaults[name]) == _as_list(value), name


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_a_schedule_has_a_recipe_too():
    schedule = from_recipe(to_recipe(functools.partial(ExponentialLR, gamma=0.95)))(SGD(PARAMETERS, lr=1.0))
    assert schedule.gamma == 0.95


def test_what_a_checkpoint_could_not_hold_is_refused():
    with pytest.raises(ValueError, match=r"class or functools\.partial"):
        to_recipe(lambda parameters: Adam(parameters))
    with pytest.raises(ValueError, match="plain JSON"):
        to_recipe(functools.partial(Adam, lr=torch.tensor(1.0)))


def test_a_recipe_from_a_file_calls_nothing_but_optimizers_and_schedules():
    with pytest.raises(ValueError, match="neither an optimizer nor"):
        from_recipe({"class_path": "os.system", "init_args": {"command": "true"}})


def test_the_fused_step_is_used_unless_somebody_chose():
    assert from_recipe(fused(to_recipe(Adam)))(PARAMETERS).defaults["fused"] is True
    assert fused(to_recipe(functools.partial(Adam, fused=False)))["init_args"] == {"fused": False}
    assert fused(to_recipe(functools.partial(Adam, foreach=True)))["init_args"] == {"foreach": True}
    assert fused(to_recipe(torch.optim.LBFGS))["init_args"] == {}


def test_a_recipe_from_a_file_imports_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"^planted.Thing is not imported"):
        from_recipe({"class_path": "planted.Thing", "init_args": {}})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"optimizer": functools.partial(Adam, lr=-1.0)}, "^optimizer torch.optim.adam.Adam: Invalid learning rate"),
        ({"lr_scheduler": functools.partial(StepLR, step_size=0)}, "^lr_scheduler torch.optim.lr_scheduler.StepLR: "),
        (
            {"lr_scheduler": functools.partial(OneCycleLR, max_lr=0.1, total_steps=-1)},
            "^lr_scheduler .*OneCycleLR: .* total_steps",
        ),
        (
            {"lr_scheduler": functools.partial(OneCycleLR, max_lr=-1)},
            "^lr_scheduler .*OneCycleLR: the learning rate becomes -0.04; give the schedule settings that keep it pos",
        ),
        (
            {"lr_scheduler": functools.partial(ExponentialLR, gamma=-0.5)},
            "^lr_scheduler .*ExponentialLR: the learning rate becomes -0.0005; ",
        ),
        (
            {"lr_scheduler": functools.partial(StepLR, step_size=30, gamma=-0.5)},
            "^lr_scheduler .*StepLR: the learning rate becomes -0.0005; ",
        ),
        (
            {"lr_scheduler": functools.partial(CosineAnnealingLR, T_max=400, eta_min=-0.1)},
            "^lr_scheduler .*CosineAnnealingLR: the learning rate becomes -",
        ),
    ],
)
def test_settings_that_an_optimizer_or_schedule_refuses_are_refused_at_once_by_name(
    settings: dict[str, Any], complaint: str
):
    with pytest.raises(ValueError, match=complaint):
        Classifier(in_features=4, hidden_sizes=[2], **settings)


@pytest.mark.parametrize(
    "schedule",
    [
        functools.partial(OneCycleLR, max_lr=0.1, total_steps=1),
        ReduceLROnPlateau,  # steps by a metric
        functools.partial(StepLR, step_size=1),
    ],
)
def test_trying_settings_out_leaves_the_network_alone(schedule: Any):
    torch.manual_seed(0)
    network = MLP(4, 3, [2])
    before = [parameter.clone() for parameter in network.parameters()]
    try_out(to_recipe(functools.partial(SGD, lr=0.1)), to_recipe(schedule), network.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True))
