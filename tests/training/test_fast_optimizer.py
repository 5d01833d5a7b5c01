"""The lean optimizer takes PyTorch's steps bit for bit, and leaves the step to PyTorch where it cannot."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from cifar_mlp.training.fast_optimizer import FusedAdam, lean_optimizer, spare_capture_check

Make = Callable[[Any], Optimizer]
SETTINGS: dict[str, Make] = {
    "Adam": lambda parameters: Adam(parameters, 1e-2, weight_decay=0.1, fused=True),
    "AdamW": lambda parameters: AdamW(parameters, 1e-2, weight_decay=0.1, fused=True),
    "Adam, decay decoupled": lambda parameters: Adam(
        parameters, 1e-2, weight_decay=0.1, fused=True, decoupled_weight_decay=True
    ),
    "other betas, maximizing": lambda parameters: Adam(
        parameters, 1e-2, betas=(0.5, 0.8), eps=1e-3, maximize=True, fused=True
    ),
}


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def in_groups(network: nn.Sequential) -> list[dict[str, Any]]:
    return [{"params": network[0].parameters()}, {"params": network[2].parameters(), "lr": 0.1}]


def trained(make: Make, lean: bool, steps: int = 8, disturb: Callable[[Any, int], None] | None = None) -> Any:
    """Weights and optimizer state after some steps, with a schedule, and whether PyTorch's own step ran how often."""
    network = layers()
    optimizer = make(in_groups(network))
    used = lean_optimizer(optimizer) if lean else optimizer
    assert isinstance(used, FusedAdam) == lean
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    batch = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    for step in range(steps):
        if disturb is not None:
            disturb(optimizer, step)
        used.zero_grad()
        network(batch).square().sum().backward()
        used.step()
        schedule.step()
    return network.state_dict(), optimizer.state_dict()


def same(one: Any, other: Any) -> bool:
    weights = all(torch.equal(value, other[0][name]) for name, value in one[0].items())
    moments = all(
        torch.equal(value, other[1]["state"][place][name])
        for place, state in one[1]["state"].items()
        for name, value in state.items()
    )
    return weights and moments and one[1]["param_groups"] == other[1]["param_groups"]


@pytest.mark.parametrize("settings", SETTINGS)
def test_steps_and_state_are_pytorch_s_bit_for_bit(settings: str, monkeypatch: pytest.MonkeyPatch):
    expected = trained(SETTINGS[settings], lean=False)
    own_steps: list[int] = []
    step = Adam.step
    monkeypatch.setattr(Adam, "step", lambda *given: (own_steps.append(1), step(*given))[1])
    assert same(expected, trained(SETTINGS[settings], lean=True))
    assert own_steps == [1], "PyTorch's step makes the state; all others are the lean one's"


def test_a_wrong_step_would_be_found_out(monkeypatch: pytest.MonkeyPatch):
    expected = trained(SETTINGS["Adam"], lean=False)
    monkeypatch.setattr(torch, "_fused_adam_", torch._fused_adamw_)
    wrong = trained(SETTINGS["Adam"], lean=True)
    assert not same(expected, wrong)


def reload_state(optimizer: Any, step: int) -> None:
    if step == 4:
        saved = copy.deepcopy(optimizer.state_dict())
        for state in saved["state"].values():
            state["exp_avg"] *= 0.5
        optimizer.load_state_dict(saved)


def change_settings(optimizer: Any, step: int) -> None:
    optimizer.param_groups[0]["weight_decay"] = 0.01 * step


@pytest.mark.parametrize("disturb", [reload_state, change_settings])
def test_what_is_changed_between_steps_counts(disturb: Callable[[Any, int], None]):
    expected = trained(SETTINGS["Adam"], lean=False, disturb=disturb)
    assert same(expected, trained(SETTINGS["Adam"], lean=True, disturb=disturb))
    assert not same(expected, trained(SETTINGS["Adam"], lean=True))


def test_parameters_without_gradients_and_new_ones_are_pytorch_s():
    results = []
    for lean in (False, True):
        network, late = layers(), nn.Parameter(torch.ones(3))
        optimizer = SETTINGS["Adam"](network[0].parameters())
        used = lean_optimizer(optimizer) if lean else optimizer
        for step in range(6):
            if step == 3:
                optimizer.add_param_group({"params": [late]})
            used.zero_grad()
            (network(torch.ones(2, 6)).sum() * late.sum()).backward()
            if step in (2, 5):
                network[0].bias.grad = None
            used.step()
        results.append((*network.parameters(), late))
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_everything_else_keeps_pytorch_s_step():
    def kept(optimizer: Optimizer) -> bool:
        return lean_optimizer(optimizer) is optimizer

    class Mine(Adam):
        pass

    parameters = list(layers().parameters())
    assert kept(SGD(parameters, 0.1, fused=True))
    assert kept(Adam(parameters))
    assert kept(Adam(parameters, fused=True, amsgrad=True))
    assert kept(Adam(parameters, torch.tensor(0.1), fused=True))
    assert kept(Adam([parameter.double() for parameter in layers().double().parameters()], fused=True))
    assert kept(Mine(parameters, fused=True))
    hooked = Adam(parameters, fused=True)
    hooked.register_step_post_hook(lambda *given: None)
    assert kept(hooked)
    wrapped: Any = Adam(parameters, fused=True)
    wrapped.step = lambda: None
    assert kept(wrapped)
    assert not kept(Adam(parameters, fused=True))


def test_no_step_on_the_cpu_looks_for_a_gpu(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    find = torch.accelerator.current_accelerator
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *a, **k: (asked.append(1), find(*a, **k))[1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(asked.append(1)))
    network = layers()
    optimizer = SETTINGS["Adam"](network.parameters())
    network(torch.ones(2, 6)).sum().backward()
    optimizer.step()
    assert asked, "else there is nothing to spare"
    asked.clear()
    spare_capture_check(optimizer)
    optimizer.step()
    assert not asked


def test_a_schedule_that_is_new_to_a_restored_optimizer_sees_its_steps():
    saved = trained(SETTINGS["Adam"], lean=False)[1]
    network = layers()
    optimizer = SETTINGS["Adam"](in_groups(network))
    optimizer.load_state_dict(saved)
    for group in optimizer.param_groups:
        group.pop("initial_lr", None)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    network(torch.ones(2, 6)).sum().backward()
    lean_optimizer(optimizer).step()
    schedule.step()  # warns, an error here, unless it saw a step before
