"""Every forward/backward pair against PyTorch's own function, autograd and central differences.

The planted faults at the end show that each check can fail.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from agreement import DEVICES, EXACT, SINGLE, as_function, assert_close, assert_plain, gradcheck
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from cifar_mlp.parity import layers
from cifar_mlp.parity.faults import FAULTS, planted

pytestmark = pytest.mark.parity

N, I, O, C = 7, 5, 3, 4  # noqa: E741
P = 0.3
LAMBDA = 0.37
ACTIVATIONS = ("relu", "leaky_relu", "gelu", "silu", "tanh")


class Case(NamedTuple):
    """A pair under test, PyTorch's equivalent, and the shapes of their inputs."""

    forward: Callable[..., Tensor]
    backward: Callable[..., tuple[Tensor, ...]]
    theirs: Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...]


def fixed(*shape: int, seed: int = 5) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels_on(device: torch.device) -> Tensor:
    return torch.tensor([0, 3, 1, 1, 2, 0, 3], device=device)


def kept_on(device: torch.device) -> Tensor:
    return (fixed(N, I) > -0.5).to(device)


def activation(name: str, theirs: Callable[..., Tensor]) -> Case:
    return Case(
        lambda x: getattr(layers, f"{name}_forward")(x),
        lambda dy, x: (getattr(layers, f"{name}_backward")(dy, x),),
        theirs,
        ((N, I),),
    )


def normalization(dim: int, theirs: Callable[..., Tensor]) -> Case:
    def forward(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return layers.scale_shift_forward(layers.standardize_forward(x, dim)[0], scale, shift)

    def backward(dy: Tensor, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
        xhat, inverse_std = layers.standardize_forward(x, dim)
        dxhat, dscale, dshift = layers.scale_shift_backward(dy, xhat, scale)
        return layers.standardize_backward(dxhat, xhat, inverse_std, dim), dscale, dshift

    return Case(forward, backward, theirs, ((N, I), (I,), (I,)))


def running_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    return fixed(I).to(x), (fixed(I, seed=6).abs() + 0.1).to(x)


def running_forward(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    xhat, _ = layers.running_standardize_forward(x, *running_moments(x))
    return layers.scale_shift_forward(xhat, scale, shift)


def running_backward(dy: Tensor, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
    xhat, inverse_std = layers.running_standardize_forward(x, *running_moments(x))
    dxhat, dscale, dshift = layers.scale_shift_backward(dy, xhat, scale)
    return layers.running_standardize_backward(dxhat, inverse_std), dscale, dshift


def loss_backward(dloss: Tensor, scores: Tensor) -> tuple[Tensor, ...]:
    labels = labels_on(scores.device)
    _, p = layers.softmax_cross_entropy_forward(scores, labels)
    return (dloss.detach() * layers.softmax_cross_entropy_backward(p, labels),)


CASES = {
    "affine": Case(
        lambda x, w, b: layers.affine_forward(x, w, b),
        lambda dy, x, w, b: (layers.affine_backward_input(dy, w), *layers.affine_backward_parameters(dy, x)),
        lambda x, w, b: functional.linear(x, w.T, b),
        ((N, I), (I, O), (O,)),
    ),
    "relu": activation("relu", functional.relu),
    "leaky_relu": activation("leaky_relu", functional.leaky_relu),
    "gelu": activation("gelu", functional.gelu),
    "silu": activation("silu", functional.silu),
    "tanh": activation("tanh", torch.tanh),
    "dropout": Case(
        lambda x: layers.dropout_forward(x, kept_on(x.device), P),
        lambda dy, x: (layers.dropout_backward(dy, kept_on(x.device), P),),
        lambda x: torch.where(kept_on(x.device), x / (1 - P), 0.0),
        ((N, I),),
    ),
    "residual": Case(
        lambda x: layers.residual_forward(x, layers.silu_forward(x)),
        lambda dy, x: (layers.residual_backward(dy, layers.silu_backward(dy, x)),),
        lambda x: x + functional.silu(x),
        ((N, I),),
    ),
    "batch_normalization": normalization(
        0, lambda x, scale, shift: functional.batch_norm(x, None, None, scale, shift, training=True)
    ),
    "layer_normalization": normalization(1, lambda x, scale, shift: functional.layer_norm(x, (I,), scale, shift)),
    "running_normalization": Case(
        running_forward,
        running_backward,
        lambda x, scale, shift: functional.batch_norm(x, *running_moments(x), scale, shift, training=False),
        ((N, I), (I,), (I,)),
    ),
    "softmax_cross_entropy": Case(
        lambda scores: layers.softmax_cross_entropy_forward(scores, labels_on(scores.device))[0],
        loss_backward,
        lambda scores: functional.cross_entropy(scores, labels_on(scores.device)),
        ((N, C),),
    ),
    "l2_penalty": Case(
        lambda w, v: layers.l2_penalty_forward(LAMBDA, w, v),
        lambda dy, w, v: tuple(
            dy.detach() * layers.l2_penalty_backward(torch.zeros_like(tensor), LAMBDA, tensor) for tensor in (w, v)
        ),
        lambda w, v: LAMBDA * (w.square().sum() + v.square().sum()),
        ((I, O), (O, C)),
    ),
}


def draw(case: Case, dtype: torch.dtype = torch.float64, device: str = "cpu") -> list[Tensor]:
    return [fixed(*shape, seed=1 + index).to(device, dtype) for index, shape in enumerate(case.shapes)]


def assert_agrees_with_autograd(case: Case, inputs: list[Tensor]) -> None:
    limit = EXACT if inputs[0].dtype == torch.float64 else SINGLE
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    theirs = case.theirs(*leaves)
    dy = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64).to(theirs)
    ours = case.forward(*inputs)
    assert_close("value", ours, theirs.detach(), limit)
    gradients = case.backward(dy, *inputs)
    for index, (mine, its) in enumerate(zip(gradients, torch.autograd.grad(theirs, leaves, dy), strict=True)):
        assert_close(f"gradient {index}", mine, its, limit)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_pair_agrees_with_autograd(name, dtype, device):
    inputs = draw(CASES[name], dtype, device)
    assert (inputs[0] > 0).any()
    assert (inputs[0] < 0).any()
    assert_agrees_with_autograd(CASES[name], inputs)


@pytest.mark.parametrize("name", CASES)
def test_pair_agrees_with_central_differences(name):
    inputs = draw(CASES[name])
    assert inputs[0].abs().min() > 1e-4  # away from the kink
    assert gradcheck(CASES[name].forward, CASES[name].backward, *inputs)


# Both zeros, saturation on both sides, and anything in between.
VALUES = st.one_of(st.sampled_from([0.0, -0.0, 1e4, -1e4, 40.0, -40.0, 5e-324]), st.floats(-30, 30))


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(max_examples=200, deadline=None, derandomize=True)
@given(values=st.lists(VALUES, min_size=1, max_size=12))
@example(values=[0.0, -0.0])
def test_activation_agrees_everywhere(name, values):
    """Entry by entry: an activation is a function of one number, and only 1 - tanh^2 cancels."""
    x = torch.tensor(values, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    theirs = CASES[name].theirs(leaf)
    (its,) = torch.autograd.grad(theirs.sum(), leaf)
    torch.testing.assert_close(CASES[name].forward(x), theirs.detach(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(CASES[name].backward(torch.ones_like(x), x)[0], its, rtol=1e-12, atol=1e-13)


def test_kink_belongs_to_the_flat_side():
    kink, dy = torch.tensor([0.0, -0.0]), torch.tensor([3.0, 3.0])
    assert layers.relu_backward(dy, kink).tolist() == [0.0, 0.0]
    assert layers.leaky_relu_backward(dy, kink, 0.25).tolist() == [0.75, 0.75]


def test_an_infinite_gradient_at_an_inactive_unit_is_not_a_number():
    """Equation (5) says so: 0 times infinity. The other activations select, and give PyTorch's result."""
    x, dy = torch.tensor([-1.0, 2.0]), torch.tensor([math.inf, math.inf])
    assert layers.relu_backward(dy, x)[0].isnan()
    assert layers.relu_backward(dy, x)[1] == math.inf
    assert layers.leaky_relu_backward(dy, x).tolist() == [math.inf, math.inf]


LOGITS = st.one_of(st.sampled_from([0.0, 1e4, -1e4, 1.0]), st.floats(-50, 50))  # few values, so that maxima tie


@st.composite
def classified(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    num_examples, num_classes = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rows = st.lists(LOGITS, min_size=num_classes, max_size=num_classes)
    scores = draw(st.lists(rows, min_size=num_examples, max_size=num_examples))
    labels = draw(st.lists(st.integers(0, num_classes - 1), min_size=num_examples, max_size=num_examples))
    return torch.tensor(scores, dtype=torch.float64), torch.tensor(labels)


def assert_cross_entropy_is_right(scores: Tensor, labels: Tensor) -> None:
    loss, p = layers.softmax_cross_entropy_forward(scores, labels)
    dscores = layers.softmax_cross_entropy_backward(p, labels)
    leaf = scores.clone().requires_grad_()
    theirs = functional.cross_entropy(leaf, labels)
    (its,) = torch.autograd.grad(theirs, leaf)
    torch.testing.assert_close(loss, theirs.detach(), rtol=1e-12, atol=1e-15)
    # p - onehot cancels for a confident row: judged by the size of its terms
    scale = (p + functional.one_hot(labels, scores.shape[1])) / len(labels)
    assert_close("dscores", dscores, its, EXACT, scale)
    assert (p >= 0).all()
    torch.testing.assert_close(p.sum(1), torch.ones(len(p), dtype=p.dtype), rtol=0, atol=1e-14)
    assert dscores.sum(1).abs().max() < 1e-14


@settings(max_examples=200, deadline=None, derandomize=True)
@given(problem=classified())
def test_cross_entropy_agrees_for_any_logits(problem):
    assert_cross_entropy_is_right(*problem)


def assert_extreme_logits_are_exact(dtype: torch.dtype, device: str) -> None:
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], dtype=dtype, device=device)
    labels = torch.tensor([1, 2, 0], device=device)
    loss, p = layers.softmax_cross_entropy_forward(scores, labels)
    expected = torch.tensor([2e4, 0.0, 0.0]) + torch.tensor([1.0, 2.0, 3.0]).log()
    assert abs(loss.item() - expected.mean().item()) <= 1e-6 * expected.mean().item()
    dscores = layers.softmax_cross_entropy_backward(p, labels)
    rows = [[1.0, -1.0, 0.0], [0.0, 0.5, -0.5], [-2 / 3, 1 / 3, 1 / 3]]
    torch.testing.assert_close(dscores.cpu().double(), torch.tensor(rows, dtype=torch.float64) / 3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_extreme_logits_are_exact(dtype, device):
    assert_extreme_logits_are_exact(dtype, device)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_still_learns_from_a_confident_example(dtype):
    """p = 0.99966 is 1 in bfloat16: if it were rounded before subtracting 1, the gradient would vanish."""
    scores, labels = torch.tensor([[8.0, 0.0]], dtype=dtype), torch.tensor([0])
    loss, p = layers.softmax_cross_entropy_forward(scores, labels)
    wrong = 1 / (1 + math.exp(8))
    assert layers.softmax_cross_entropy_backward(p, labels).tolist()[0] == pytest.approx([-wrong, wrong], rel=1e-3)
    assert loss.item() == pytest.approx(-math.log1p(-wrong), rel=1e-3)


@pytest.mark.parametrize("name", ["batch_normalization", "layer_normalization"])
def test_half_precision_normalizes_what_would_overflow(name):
    """Intermediate squares and products exceed float16's 65504; the results do not."""
    x, scale, shift = 400 * fixed(N, I), torch.full((I,), 300.0), torch.ones(I)
    inputs = [tensor.half() for tensor in (x, scale, shift)]
    dy = (300 * fixed(N, I, seed=3).sign()).half()
    mine = [CASES[name].forward(*inputs), *CASES[name].backward(dy, *inputs)]
    exact = [tensor.double() for tensor in inputs]
    right = [CASES[name].forward(*exact), *CASES[name].backward(dy.double(), *exact)]
    for ours, reference in zip(mine, right, strict=True):
        assert_close("half", ours, reference, 2 * torch.finfo(torch.float16).eps)


@pytest.mark.parametrize("view", ["rows", "columns"])
def test_large_l2_penalty_keeps_float32_precision(view):
    weight = torch.randn(3072, 2048)
    exact = weight.double().square().sum().item()
    penalty = layers.l2_penalty_forward(1.0, weight if view == "rows" else weight.T)
    assert abs(penalty.item() / exact - 1) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_half_precision_is_no_worse_than_pytorchs(name, dtype):
    """Root mean square error against float64 at most three times PyTorch's own, value and gradients alike."""
    case = CASES[name]
    inputs = draw(case, dtype)
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    exact = [tensor.double().requires_grad_() for tensor in inputs]
    theirs, truth = case.theirs(*leaves), case.theirs(*exact)
    dy = torch.ones_like(theirs)
    mine = [case.forward(*inputs), *case.backward(dy, *inputs)]
    its = [theirs.detach(), *torch.autograd.grad(theirs, leaves, dy)]
    right = [truth.detach(), *torch.autograd.grad(truth, exact, dy.double())]
    for ours, other, reference in zip(mine, its, right, strict=True):
        ours, other = ours.to(dtype).double(), other.double()
        floor = torch.finfo(dtype).eps * reference.square().mean().sqrt()
        assert (ours - reference).square().mean().sqrt() <= 3 * (other - reference).square().mean().sqrt() + floor


@pytest.mark.parametrize("name", CASES)
def test_pair_builds_no_graph(name):
    inputs = [tensor.requires_grad_() for tensor in draw(CASES[name])]
    value = CASES[name].forward(*inputs)
    assert_plain(value, *CASES[name].backward(torch.ones_like(value).requires_grad_(), *inputs))


@pytest.mark.parametrize("name", CASES)
def test_pair_works_in_inference_mode(name):
    with torch.inference_mode():
        assert CASES[name].forward(*draw(CASES[name])).is_inference()


@pytest.mark.parametrize("name", CASES)
def test_pair_leaves_its_inputs_alone(name):
    inputs = draw(CASES[name])
    before = [tensor.clone() for tensor in inputs]
    value = CASES[name].forward(*inputs)
    dy = torch.ones_like(value)
    CASES[name].backward(dy, *inputs)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(inputs, before, strict=True))
    assert dy.eq(1).all()


def test_out_is_written_and_returned():
    x, dy = fixed(N, I), fixed(N, I, seed=8)
    expected = layers.relu_forward(x), layers.relu_backward(dy, x), layers.l2_penalty_backward(dy, LAMBDA, x)
    dw, dx, y = dy.clone(), dy.clone(), x.clone()
    assert layers.relu_forward(y, out=y) is y
    assert layers.relu_backward(dx, y, out=dx) is dx  # y in place of x
    assert layers.l2_penalty_backward(dw, LAMBDA, x, out=dw) is dw
    assert all(torch.equal(ours, its) for ours, its in zip((y, dx, dw), expected, strict=True))


def test_targets_agree_with_autograd():
    scores = fixed(N, C).requires_grad_()
    targets = 0.7 * layers.smoothed_targets(torch.arange(N) % C, C, 0.1, torch.float64) + 0.3 / C
    expected = functional.cross_entropy(scores, targets)
    (gradient,) = torch.autograd.grad(expected, scores)
    loss, p = layers.softmax_cross_entropy_forward(scores.detach(), targets)
    assert_close("loss", loss, expected, EXACT)
    assert_close("dscores", layers.softmax_cross_entropy_backward(p, targets), gradient, EXACT)


# ---- planted faults


SPECIAL = {
    "two labels": test_targets_agree_with_autograd,
    "relu at the kink": test_kink_belongs_to_the_flat_side,
    "extreme logits": lambda: assert_extreme_logits_are_exact(torch.float64, "cpu"),
}


def assert_layer_is_right(layer: str, dtype: str) -> None:
    if layer in SPECIAL:
        SPECIAL[layer]()
    else:
        assert_agrees_with_autograd(CASES[layer], draw(CASES[layer], getattr(torch, dtype)))


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_caught(name):
    fault = FAULTS[name]
    assert_layer_is_right(fault.layer, fault.dtypes[0])
    with planted(name), pytest.raises(AssertionError):
        assert_layer_is_right(fault.layer, fault.dtypes[0])


BY_DIFFERENCES = [
    name
    for name, fault in FAULTS.items()
    if fault.layer in CASES and len(fault.dtypes) > 1 and fault.function != "standardize_forward"
]  # rounding is too small for differences; a wrong value with its own right derivative is consistent


@pytest.mark.parametrize("name", BY_DIFFERENCES)
def test_planted_fault_fails_central_differences(name):
    with planted(name) as fault:
        case = CASES[fault.layer]
        assert not gradcheck(case.forward, case.backward, *draw(case))


def test_planted_rounded_penalty_is_caught(monkeypatch):
    monkeypatch.setattr(layers, "l2_penalty_forward", lambda decay, w: decay * w.bfloat16().square().sum())
    with pytest.raises(AssertionError):
        test_large_l2_penalty_keeps_float32_precision("rows")


def test_planted_graph_is_caught(monkeypatch):
    monkeypatch.setattr(layers, "relu_forward", functional.relu)
    with pytest.raises(AssertionError):
        test_pair_builds_no_graph("relu")


def test_as_function_uses_the_gradient_given():
    x = torch.ones(2, requires_grad=True)
    as_function(lambda x: x.clone(), lambda dy, x: (7 * dy,))(x).sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]
