"""Muon and AdamW as one optimizer."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from cifar_mlp.cli import run
from cifar_mlp.models.mlp import MLP
from cifar_mlp.models.muon import MuonAdamW

RUN = ["fit", "--data.source", "digits", "--data.n_components", "12", "--data.batch_size", "100"]
RUN += ["--model.hidden_sizes", "[16]", "--model.optimizer", "cifar_mlp.models.muon.MuonAdamW"]
RUN += ["--model.optimizer.lr", "0.01", "--trainer.precision", "32-true", "--views.all", "false"]
RUN += ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.9"]


def stepped(network: nn.Module, optimizer: torch.optim.Optimizer, *others: torch.optim.Optimizer) -> nn.Module:
    for step in range(3):
        torch.manual_seed(step)
        network(torch.randn(8, 6)).square().mean().backward()
        for one in (optimizer, *others):
            one.step()
            one.zero_grad()
    return network


def test_matrices_take_muon_s_steps_and_the_rest_adamw_s():
    network = MLP(6, 3, [5], normalization="batch")
    parts = copy.deepcopy(network)
    matrices = [one for one in parts.parameters() if one.dim() == 2]
    others = [one for one in parts.parameters() if one.dim() == 1]
    muon = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=0.02, weight_decay=0.1)
    stepped(network, MuonAdamW(network.parameters(), lr=0.02, weight_decay=0.1))
    stepped(parts, muon, adamw)
    for mine, its in zip(network.parameters(), parts.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_its_state_goes_into_another_one():
    first = MLP(6, 3, [5])
    optimizer = MuonAdamW(first.parameters(), lr=0.02)
    stepped(first, optimizer)
    second = copy.deepcopy(first)
    again = MuonAdamW(second.parameters(), lr=0.5)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    stepped(first, optimizer), stepped(second, again)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("gradients", ["autograd", "hand"])
def test_a_run_is_resumed_with_the_same_bits_and_learns(gradients: str):
    settings = [*RUN, "--model.gradients", gradients, "--trainer.max_epochs", "3"]
    unbroken = run([*settings, "--trainer.default_root_dir", "unbroken"])
    assert float(unbroken.trainer.callback_metrics["digits/val/accuracy"]) > 0.5
    assert [group["lr"] for group in unbroken.trainer.optimizers[0].param_groups] == pytest.approx([0.01 * 0.9**3] * 2)
    run([*settings, "--trainer.max_steps", "20", "--trainer.default_root_dir", "first"])
    checkpoint = str(next(Path("first").rglob("last.ckpt")))
    again = ["--trainer.max_steps", "-1", "--trainer.max_epochs", "3", "--trainer.default_root_dir", "second"]
    run(["fit", "--ckpt_path", checkpoint, *again])
    found, expected = (torch.load(next(Path(name).rglob("last.ckpt"))) for name in ("second", "unbroken"))
    assert all(torch.equal(found["state_dict"][name], value) for name, value in expected["state_dict"].items())
