"""Optimizer and schedule together."""

import warnings
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, OneCycleLR

from cifar_mlp.models.optimization import configured
from cifar_mlp.models.recipes import from_recipe, to_recipe

TRAINER: Any = SimpleNamespace(
    gradient_clip_val=None, precision="32-true", estimated_stepping_batches=100, max_epochs=10, ckpt_path=None
)


def configure(optimizer: Any, schedule: Any) -> float:
    """The learning rate of the first step."""
    settings = {"optimizer": to_recipe(optimizer), "lr_scheduler": to_recipe(schedule), "lr_interval": "step"}
    parameters = [torch.nn.Parameter(torch.zeros(2))]
    made = configured(settings, lambda recipe: from_recipe(recipe)(parameters), TRAINER, str)
    return float(made["optimizer"].param_groups[0]["lr"])


@pytest.mark.parametrize(
    "schedule",
    [partial(OneCycleLR, max_lr=0.5), partial(CyclicLR, base_lr=0.02, max_lr=0.5)],
    ids=["OneCycleLR", "CyclicLR"],
)
def test_a_rate_that_the_schedule_replaces_is_named(schedule: partial[Any]):
    with pytest.warns(
        UserWarning, match=r"^--model.optimizer.lr 0.3 has no effect: \w+ takes its rates from .*max_lr 0.5$"
    ):
        rate = configure(partial(SGD, lr=0.3), schedule)
    assert rate == configure(partial(SGD, lr=0.5), schedule)


def test_one_process_of_several_names_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        configure(partial(SGD, lr=0.3), partial(OneCycleLR, max_lr=0.5))


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        (partial(SGD, lr=0.5), partial(OneCycleLR, max_lr=0.5)),
        (Adam, partial(OneCycleLR, max_lr=0.5)),
        (partial(SGD, lr=0.3), partial(CosineAnnealingLR, T_max=9)),
    ],
    ids=["the same", "not given", "used"],
)
def test_any_other_rate_needs_no_word(optimizer: Any, schedule: partial[Any]):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        configure(optimizer, schedule)
