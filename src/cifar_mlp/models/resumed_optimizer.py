"""Optimizer and schedule states of a checkpoint, brought to the settings that are asked for on resume."""

import copy
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from cifar_mlp.models.recipes import Recipe, from_recipe, needs_total_steps, with_total_steps

# What a plateau schedule has seen; everything else in its state is a setting.
_SEEN_BY_PLATEAU = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "_step_count")


class _Twin(NamedTuple):
    """An optimizer and its schedule on copies of the parameters."""

    optimizer: Optimizer
    schedule: Any

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The optimizer's, without the parameters."""
        return [
            {name: value for name, value in group.items() if name != "params"} for group in self.optimizer.param_groups
        ]

    def rates(self, name: str = "lr") -> list[Any]:
        """One setting of each group."""
        return [group.get(name) for group in self.optimizer.param_groups]


def override_restored(checkpoint: dict[str, Any], settings: dict[str, Any], parameters: Iterable[Tensor]) -> None:
    """Let the current settings win over those in the saved optimizer and schedule states.

    A schedule is made from its recipe and stepped forward to where the saved one is: its rates are then those of a run
    that had the current settings from its beginning. One that waits for a plateau keeps what it has seen and by how
    much it has lowered the rate.

    Args:
        checkpoint: A loaded checkpoint, changed in place.
        settings: Those of now, with the recipes ``optimizer`` and ``lr_scheduler``.
        parameters: The parameters to optimize; not changed.

    Raises:
        ValueError: If the states belong to another class, or cannot continue with the current settings.
    """
    if not checkpoint.get("optimizer_states"):
        return
    saved, optimizer, schedule = checkpoint["hyper_parameters"], settings["optimizer"], settings["lr_scheduler"]
    if schedule is not None and saved["lr_scheduler"] is not None and needs_total_steps(schedule):
        schedule = with_total_steps(schedule, saved["lr_scheduler"]["init_args"].get("total_steps"))
    of_optimizer = changed_settings("optimizer", saved["optimizer"], optimizer)
    of_schedule = changed_settings("lr_scheduler", saved["lr_scheduler"], schedule)
    if not of_optimizer and not of_schedule:
        return
    copies = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    before, now = _twin(saved["optimizer"], saved["lr_scheduler"], copies), _twin(optimizer, schedule, copies)
    state = checkpoint["optimizer_states"][0]
    states = checkpoint.get("lr_schedulers") or []
    if states:
        states[0] = _brought_forward(states[0], schedule or {}, before, now, of_schedule, state["param_groups"])
    for group, old, new in zip(state["param_groups"], before.groups, now.groups, strict=True):
        group.update({name: value for name, value in new.items() if name not in old or not _same(old[name], value)})
    if of_optimizer:
        _require_same_beginning(before.optimizer, now.optimizer, of_optimizer)
        _try_a_step(now.optimizer, state, of_optimizer)


def changed_settings(option: str, saved: Recipe | None, now: Recipe | None) -> dict[str, Any]:
    """Settings of ``now`` that differ from ``saved``, which must be of the same class.

    A setting that only ``saved`` names is back at its default: it is in the result too, as ``None``.
    """
    classes = [None if recipe is None else recipe["class_path"] for recipe in (saved, now)]
    if classes[0] != classes[1]:
        raise ValueError(
            f"--model.{option} {classes[1]} cannot continue from a checkpoint of {classes[0]}: "
            "keep that one, or start again without --ckpt_path"
        )
    if saved is None or now is None:
        return {}
    names = {**saved["init_args"], **now["init_args"]}
    requested = {name: now["init_args"].get(name) for name in names}
    return {name: value for name, value in requested.items() if not _same(saved["init_args"].get(name), value)}


def _twin(optimizer: Recipe, schedule: Recipe | None, parameters: list[Tensor]) -> _Twin:
    made = from_recipe(optimizer)(parameters)
    twin = _Twin(made, None if schedule is None else from_recipe(schedule)(made))
    made._opt_called = True  # a schedule warns where the optimizer has not stepped yet
    return twin


def _brought_forward(
    state: dict[str, Any], recipe: Recipe, before: _Twin, now: _Twin, changed: dict[str, Any], groups: list[Any]
) -> dict[str, Any]:
    """The state of ``now``'s schedule where the saved one is; both twins' optimizers get the rates of that place."""
    name = recipe.get("class_path")
    if isinstance(now.schedule, ReduceLROnPlateau):
        return _plateau(state, before, now, changed, groups)
    try:
        for twin in (before, now):
            for _ in range(state["last_epoch"]):
                twin.schedule.step()
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"--model.lr_scheduler {name} cannot continue with these settings: {error}") from error
    if not changed and all(before.rates(name) == now.rates(name) for name in ("lr", "initial_lr")):
        return state
    saved = [group["lr"] for group in groups]
    if not all(math.isclose(*pair, rel_tol=1e-5) for pair in zip(before.rates(), saved, strict=True)):
        raise ValueError(
            f"--model.lr_scheduler {name}: the checkpoint's rate is not the one that its settings give after "
            f"{state['last_epoch']} steps, so it cannot continue with others; keep those of the checkpoint"
        )
    found: dict[str, Any] = now.schedule.state_dict()
    return found


def _plateau(
    state: dict[str, Any], before: _Twin, now: _Twin, changed: dict[str, Any], groups: list[Any]
) -> dict[str, Any]:
    fixed = changed.keys() & {"mode", "threshold_mode", "monitor"}
    if fixed:
        raise ValueError(
            f"--model.lr_scheduler.{min(fixed)} cannot change on resume: the best value so far was found with the "
            "checkpoint's; drop that option"
        )
    for group, old, new in zip(groups, before.optimizer.param_groups, now.optimizer.param_groups, strict=True):
        lowered = group["lr"] / old["lr"] if old["lr"] else 1.0
        old["lr"], new["lr"] = group["lr"], new["lr"] * lowered
    seen = {name: state[name] for name in _SEEN_BY_PLATEAU if name in state}
    return {**now.schedule.state_dict(), **seen, "_last_lr": now.rates()}


def _require_same_beginning(before: Optimizer, now: Optimizer, changed: dict[str, Any]) -> None:
    """Refuse a setting, such as Adagrad's ``initial_accumulator_value``, that only counts before the first step."""
    first, second = before.state_dict()["state"], now.state_dict()["state"]
    for number in first:
        for name, value in first[number].items():
            if not torch.equal(torch.as_tensor(value), torch.as_tensor(second[number][name])):
                names = ", ".join(changed)
                raise ValueError(f"--model.optimizer.{names}: {name} has begun with the checkpoint's value; keep that")


def _try_a_step(optimizer: Optimizer, state: dict[str, Any], changed: dict[str, Any]) -> None:
    """Take a step on the copies: some settings need a state that the checkpoint does not hold."""
    try:
        optimizer.load_state_dict(copy.deepcopy(state))
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step(lambda: 0.0)
    except Exception as error:  # each class of optimizer fails in its own way
        raise ValueError(
            f"--model.optimizer.{', '.join(changed)}: the checkpoint's {type(optimizer).__name__} cannot continue with "
            f"another value ({type(error).__name__}: {error}); keep the checkpoint's"
        ) from error


def _same(first: Any, second: Any) -> bool:
    """Equality, where JSON has made lists of tuples."""
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return list(first) == list(second)
    return bool(first == second)
