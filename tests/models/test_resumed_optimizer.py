"""Settings changed on resume: a schedule or optimizer continues as if it had always had them, or refuses."""

import copy
import functools
import inspect
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, lr_scheduler

from cifar_mlp.models.recipes import from_recipe, to_recipe
from cifar_mlp.models.resumed_optimizer import changed_settings, override_restored

STEPS, MORE = 5, 6
# Settings of every schedule of PyTorch before and after; None: a recipe cannot hold what it needs.
SCHEDULES: dict[str, Any] = {
    "StepLR": ({"step_size": 2}, {"step_size": 3, "gamma": 0.5}),
    "MultiStepLR": ({"milestones": [3, 7]}, {"milestones": [2, 9], "gamma": 0.5}),
    "ConstantLR": ({}, {"factor": 0.5, "total_iters": 7}),
    "LinearLR": ({}, {"start_factor": 0.5, "total_iters": 9}),
    "ExponentialLR": ({"gamma": 0.9}, {"gamma": 0.8}),
    "PolynomialLR": ({}, {"total_iters": 20, "power": 2.0}),
    "CosineAnnealingLR": ({"T_max": 10}, {"T_max": 20, "eta_min": 0.01}),
    "CosineAnnealingWarmRestarts": ({"T_0": 4}, {"T_0": 3, "T_mult": 2}),
    "CyclicLR": ({"base_lr": 0.01, "max_lr": 0.1}, {"base_lr": 0.02, "max_lr": 0.3, "step_size_up": 4}),
    "OneCycleLR": ({"max_lr": 0.1, "total_steps": 12, "anneal_strategy": "linear"}, {"max_lr": 0.2, "total_steps": 30}),
    "SWALR": ({"swa_lr": 0.05}, {"swa_lr": 0.02, "anneal_epochs": 20}),
    "ReduceLROnPlateau": "by a metric",
    "LambdaLR": None, "MultiplicativeLR": None, "SequentialLR": None, "ChainedScheduler": None,
}  # fmt: skip


def made(optimizer: dict, schedule: dict | None) -> tuple[Any, Any]:
    parameters = [torch.nn.Parameter(torch.ones(2))]
    optimizer = from_recipe(optimizer)(parameters)
    return optimizer, None if schedule is None else from_recipe(schedule)(optimizer)


def stepped(optimizer: Any, schedule: Any, steps: int, metric: list[float] | None = None) -> list[tuple[float, float]]:
    """Rate and momentum after each step."""
    seen = []
    for step in range(steps):
        optimizer.step()
        if schedule is not None:
            schedule.step(*([] if metric is None else [metric[step]]))
        (group,) = optimizer.param_groups
        seen.append((group["lr"], group.get("momentum", 0.0)))
    return seen


def saved(optimizer: Any, schedule: Any, recipes: dict) -> dict[str, Any]:
    return {
        "hyper_parameters": recipes,
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [] if schedule is None else [schedule.state_dict()],
    }


def settings_of(optimizer: dict, schedule: dict | None) -> dict[str, Any]:
    return {"optimizer": optimizer, "lr_scheduler": schedule}


def went_on(before: dict, now: dict, metrics: tuple[list[float], list[float]] | None = None) -> list[Any]:
    """What a run does after ``STEPS`` steps under ``before``, resumed under ``now``."""
    optimizer, schedule = made(**before)
    stepped(optimizer, schedule, STEPS, metrics and metrics[0])
    checkpoint = copy.deepcopy(saved(optimizer, schedule, settings_of(**before)))
    override_restored(checkpoint, settings_of(**now), [torch.ones(2)])
    optimizer, schedule = made(**now)
    optimizer.load_state_dict(checkpoint["optimizer_states"][0])
    if schedule is not None:
        schedule.load_state_dict(checkpoint["lr_schedulers"][0])
    return stepped(optimizer, schedule, MORE, metrics and metrics[1])


MOMENTUM = {"class_path": "torch.optim.sgd.SGD", "init_args": {"lr": 0.1, "momentum": 0.9}}


def recipe(name: str, arguments: dict) -> dict:
    return {"class_path": f"torch.optim.lr_scheduler.{name}", "init_args": arguments}


def test_every_schedule_of_pytorch_is_in_the_table():
    base = lr_scheduler.LRScheduler
    classes = {name for name, kind in vars(lr_scheduler).items() if inspect.isclass(kind) and issubclass(kind, base)}
    from torch.optim.swa_utils import SWALR

    assert issubclass(SWALR, base)
    assert {name for name in classes if not name.startswith("_")} - {"LRScheduler"} <= SCHEDULES.keys()


@pytest.mark.parametrize("name", [name for name, settings in SCHEDULES.items() if isinstance(settings, tuple)])
@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_a_schedule_continues_as_if_it_had_had_its_settings_from_the_beginning(name: str, rate: float):
    first, second = SCHEDULES[name]
    path = "torch.optim.swa_utils.SWALR" if name == "SWALR" else f"torch.optim.lr_scheduler.{name}"
    before = {"optimizer": MOMENTUM, "schedule": {"class_path": path, "init_args": first}}
    faster = {**MOMENTUM, "init_args": {"lr": rate, "momentum": 0.9}}
    for arguments in (first, {**first, **second}):
        now = {"optimizer": faster, "schedule": {"class_path": path, "init_args": arguments}}
        unbroken = stepped(*made(**now), STEPS + MORE)[STEPS:]
        assert went_on(before, now) == unbroken


def test_a_schedule_past_its_last_step_is_refused_in_one_line():
    before = {"optimizer": MOMENTUM, "schedule": recipe("OneCycleLR", {"max_lr": 0.1, "total_steps": 12})}
    now = {"optimizer": MOMENTUM, "schedule": recipe("OneCycleLR", {"max_lr": 0.1, "total_steps": 3})}
    with pytest.raises(
        ValueError, match=r"^--model.lr_scheduler .*OneCycleLR cannot continue with these settings: Tried"
    ):
        went_on(before, now)


def test_a_plateau_keeps_what_it_has_seen_and_how_far_it_went_down():
    def plateau(**arguments: Any) -> dict:
        return recipe("ReduceLROnPlateau", {"factor": 0.5, "patience": 0, **arguments})

    rising = [1.0, 2.0, 3.0, 3.0, 3.0]  # four times no better: 0.1 / 16
    before = {"optimizer": MOMENTUM, "schedule": plateau()}
    now = {"optimizer": {**MOMENTUM, "init_args": {"lr": 0.2, "momentum": 0.9}}, "schedule": plateau(factor=0.1)}
    rates = [rate for rate, _ in went_on(before, now, (rising, [0.5, 0.6, 0.4, 0.3, 0.2, 0.1]))]
    assert rates == pytest.approx([0.2 / 16] + [0.02 / 16] * 5)
    with pytest.raises(ValueError, match=r"--model.lr_scheduler.mode cannot change"):
        went_on(before, {**before, "schedule": plateau(mode="max")}, (rising, rising))


def test_a_schedule_whose_rate_was_changed_from_outside_is_refused():
    halving = recipe("StepLR", {"step_size": 1, "gamma": 0.5})
    optimizer, schedule = made(MOMENTUM, halving)
    stepped(optimizer, schedule, STEPS)
    optimizer.param_groups[0]["lr"] = 3.0
    checkpoint = saved(optimizer, schedule, settings_of(MOMENTUM, halving))
    with pytest.raises(ValueError, match="not the one that its settings give after 5 steps"):
        override_restored(checkpoint, settings_of(MOMENTUM, recipe("StepLR", {"step_size": 2})), [torch.ones(2)])


@pytest.mark.parametrize("schedule", [None, recipe("StepLR", {"step_size": 1, "gamma": 0.5})])
def test_the_same_settings_leave_the_state_alone(schedule: dict | None):
    optimizer, made_schedule = made(MOMENTUM, schedule)
    stepped(optimizer, made_schedule, STEPS)
    checkpoint = saved(optimizer, made_schedule, settings_of(MOMENTUM, schedule))
    untouched = copy.deepcopy(checkpoint)
    override_restored(checkpoint, settings_of(MOMENTUM, schedule), [torch.ones(2)])
    assert checkpoint == untouched


def test_an_optimizer_s_settings_given_now_win():
    now = {"lr": 0.3, "momentum": 0.5, "weight_decay": 0.25}
    optimizer, _ = made(MOMENTUM, None)
    stepped(optimizer, None, STEPS)
    checkpoint = saved(optimizer, None, settings_of(MOMENTUM, None))
    override_restored(checkpoint, settings_of({**MOMENTUM, "init_args": now}, None), [torch.ones(2)])
    (group,) = checkpoint["optimizer_states"][0]["param_groups"]
    assert {name: group[name] for name in now} == now
    # back to the class's defaults
    override_restored(checkpoint, settings_of({**MOMENTUM, "init_args": {}}, None), [torch.ones(2)])
    assert (group["lr"], group["momentum"]) == (SGD([torch.ones(2)]).defaults["lr"], 0)


def test_a_setting_that_needs_a_state_which_is_not_there_is_refused():
    adam = to_recipe(Adam)
    optimizer, _ = made(adam, None)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()
    checkpoint = saved(optimizer, None, settings_of(adam, None))
    requested = to_recipe(functools.partial(Adam, amsgrad=True))
    with pytest.raises(ValueError, match=r"^--model.optimizer.amsgrad: the checkpoint's Adam cannot continue"):
        override_restored(checkpoint, settings_of(requested, None), [torch.ones(2)])


def test_a_setting_that_counts_before_the_first_step_alone_is_refused():
    adagrad = to_recipe(Adagrad)
    optimizer, _ = made(adagrad, None)
    stepped(optimizer, None, 2)
    checkpoint = saved(optimizer, None, settings_of(adagrad, None))
    requested = to_recipe(functools.partial(Adagrad, initial_accumulator_value=0.5))
    with pytest.raises(
        ValueError, match=r"^--model.optimizer.initial_accumulator_value: sum has begun with the checkpoint"
    ):
        override_restored(checkpoint, settings_of(requested, None), [torch.ones(2)])
    override_restored(checkpoint, settings_of(to_recipe(functools.partial(Adagrad, lr=0.5)), None), [torch.ones(2)])
    assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] == 0.5


@pytest.mark.parametrize("other", [None, recipe("ExponentialLR", {"gamma": 0.5})])
def test_another_class_cannot_take_the_state_over(other: dict | None):
    with pytest.raises(ValueError, match=r"optimizer .*Adam cannot continue from a checkpoint of torch.optim.sgd.SGD"):
        changed_settings("optimizer", MOMENTUM, to_recipe(Adam))
    with pytest.raises(ValueError, match=r"--model.lr_scheduler .* cannot continue from a checkpoint of .*StepLR"):
        changed_settings("lr_scheduler", recipe("StepLR", {"step_size": 1}), other)
