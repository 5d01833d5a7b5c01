import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cifar_mlp.models.mlp import ACTIVATIONS, MLP


@given(
    hidden_sizes=st.lists(st.integers(1, 9), max_size=4),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    normalization=st.sampled_from(["none", "batch", "layer"]),
    dropout=st.sampled_from([0.0, 0.4]),
)
@settings(max_examples=60, deadline=None)
def test_any_depth_maps_features_to_logits(hidden_sizes, activation, normalization, dropout):
    network = MLP(7, 3, hidden_sizes, activation, dropout, normalization)
    assert network(torch.randn(5, 7)).shape == (5, 3)
    affine = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [module.in_features for module in affine] == [7, *hidden_sizes]
    assert [module.out_features for module in affine] == [*hidden_sizes, 3]


def test_a_hidden_layer_is_affine_normalization_activation_dropout():
    kinds = [type(part).__name__ for part in MLP(4, 2, [3], "gelu", 0.5, "layer").hidden[0]]
    assert kinds == ["Linear", "LayerNorm", "GELU", "Dropout"]


def test_a_residual_block_adds_to_its_input_and_starts_as_the_identity():
    network = MLP(4, 2, [6], "silu", 0.5, "batch", residual_blocks=2, expansion=3)
    x = torch.randn(9, 6)
    block = network.hidden[1]
    assert [type(part).__name__ for part in block] == ["Linear", "BatchNorm1d", "SiLU", "Dropout", "Linear"]
    assert (block.affine.out_features, block.exit.in_features, block.exit.out_features) == (18, 18, 6)
    assert torch.equal(block(x), x)
    for scheme in ("kaiming", "normal"):
        assert not MLP(4, 2, [6], initialization=scheme, residual_blocks=1).hidden[1].exit.weight.any()
    torch.nn.init.normal_(block.exit.weight)
    block.eval()
    inside = block.exit(torch.nn.functional.silu(block.normalization(block.affine(x))))
    assert torch.equal(block(x), x + inside)
    assert float(network.squared_weights().detach()) == pytest.approx(
        sum(float(module.weight.detach().square().sum()) for module in network.modules() if type(module) is nn.Linear)
    )


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_activation_is_the_one_named(activation: str):
    network = MLP(4, 2, [3], activation)
    x = torch.randn(6, 4)
    hidden = ACTIVATIONS[activation]()(x @ network.hidden[0].affine.weight.T + network.hidden[0].affine.bias)
    assert torch.allclose(network(x), network.output(hidden), atol=1e-6)


def test_initializations_are_what_they_say():
    kaiming = MLP(400, 300, [500], initialization="kaiming").hidden[0].affine
    assert kaiming.weight.detach().std() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    normal = MLP(400, 300, [500], initialization="normal", init_std=1e-4)
    assert normal.hidden[0].affine.weight.detach().std() == pytest.approx(1e-4, rel=0.02)
    assert normal.output.weight.detach().std() == pytest.approx(1e-4, rel=0.02)
    assert not kaiming.bias.any()
    assert not normal.output.bias.any()
    torch.manual_seed(5)
    default = MLP(400, 300, [500])
    torch.manual_seed(5)
    assert torch.equal(default.hidden[0].affine.weight, nn.Linear(400, 500).weight)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_sizes", [0]),
        ("hidden_sizes", [5, -1]),
        ("activation", "swish"),
        ("normalization", "group"),
        ("initialization", "xavier"),
        ("init_std", 0.0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("residual_blocks", -1),
        ("expansion", 0),
    ],
)
def test_what_cannot_be_is_refused_by_name(name: str, value: object):
    with pytest.raises(ValueError, match=name):
        MLP(4, 2, **{name: value})


def test_residual_blocks_need_a_width():
    with pytest.raises(ValueError, match="residual_blocks needs hidden_sizes"):
        MLP(4, 2, [], residual_blocks=1)
