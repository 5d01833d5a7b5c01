"""The report's network with hand-derived gradients: properties, side effects and errors.

test_compare.py and test_planted_faults.py compare its numbers with autograd, NumPy and central differences;
test_toy_report.py holds the report's own numbers.
"""

import numpy as np
import pytest
import torch
from agreement import DEVICES, EXACT, assert_close, assert_plain, draw_two_layer
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cifar_mlp.parity.evidence import autograd
from cifar_mlp.parity.evidence.reference import uncancelled
from cifar_mlp.parity.toy import toy_problem
from cifar_mlp.parity.two_layer import (
    Gradients,
    Parameters,
    forward,
    intermediates,
    loss_and_gradients,
    sgd_step,
    train,
)

pytestmark = pytest.mark.parity

SIZES = [(1, 3, 4, 2), (5, 4, 10, 3), (11, 7, 5, 3), (200, 510, 600, 10)]  # N, D, H, C, never equal
LAMBDA = 0.07
TRAINING = {"learning_rate": 0.1, "decay": 1.0, "decay_every": 1, "regularization": 0.0}


def assert_agrees_with_autograd(parameters: Parameters, inputs: Tensor, labels: Tensor, regularization: float) -> None:
    """Loss and gradients; each gradient is judged by the size of the terms that may cancel in it."""
    problem = (parameters, inputs, labels, regularization)
    loss, gradients = loss_and_gradients(*problem)
    trace = autograd.intermediates(*problem)
    scales = uncancelled(*problem, trace)
    assert_close("loss", loss, trace.loss, EXACT)
    for name, mine in gradients._asdict().items():
        assert_close(name, mine, getattr(trace, name), EXACT, scales[name])


@pytest.mark.parametrize("regularization", [0.0, LAMBDA])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_both_functions_give_the_same_bits(sizes, regularization):
    problem = draw_two_layer(sizes, torch.float32)
    trace = intermediates(*problem, regularization)
    loss, gradients = loss_and_gradients(*problem, regularization)
    assert torch.equal(loss, trace.loss)
    assert all(torch.equal(mine, its) for mine, its in zip(gradients, trace[-4:], strict=True))
    assert torch.equal(forward(problem[0], problem[1]), trace.scores)


def test_training_takes_arrays_lists_and_no_batch_at_all():
    problem = draw_two_layer(SIZES[1])
    _, first = train(*problem, batches=[np.array([0, 4, 4])], **TRAINING)
    _, second = train(*problem, batches=iter([[0, 4, 4]]), **TRAINING)
    assert first == second
    same, losses = train(*problem, batches=[], **TRAINING)
    assert same is problem[0]
    assert losses == []


# ---- properties

# Eighths: products and sums are exact in float64, so no order of operations moves a unit across its kink.
EIGHTHS = st.integers(-24, 24).map(lambda number: number / 8)
VALUES = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 1e4, -1e4, 0.5]), EIGHTHS)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Parameters, Tensor, Tensor]:
    """Any sizes from 1; ordinary values mixed with zeros (kinks), ties, dead units and extreme scores."""
    num_examples, num_features, num_hidden, num_classes = (draw(st.integers(1, 5)) for _ in range(4))

    def tensor(*shape: int, values: st.SearchStrategy[float] = VALUES) -> Tensor:
        count = int(np.prod(shape))
        drawn = draw(st.lists(values, min_size=count, max_size=count))
        return torch.tensor(drawn, dtype=torch.float64).reshape(shape)

    parameters = Parameters(
        tensor(num_features, num_hidden, values=EIGHTHS),
        draw(st.sampled_from([0.0, 0.125, -1e5])) + tensor(num_hidden, values=st.sampled_from([0.0, 0.25, -0.75])),
        tensor(num_hidden, num_classes, values=EIGHTHS),
        tensor(num_classes),
    )
    inputs = tensor(num_examples, num_features)
    if draw(st.booleans()):
        inputs = inputs[:1].repeat(num_examples, 1)
    labels = draw(st.lists(st.integers(0, num_classes - 1), min_size=num_examples, max_size=num_examples))
    return parameters, inputs, torch.tensor(labels)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(problem=problems(), regularization=st.sampled_from([0.0, 1e-3, 0.7]))
def test_any_problem_agrees_with_autograd(problem, regularization):
    assert_agrees_with_autograd(*problem, regularization)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(problem=problems(), dtype=st.sampled_from([torch.float64, torch.float32]))
def test_everything_stays_finite(problem, dtype):
    parameters, inputs, labels = problem
    parameters = Parameters(*(tensor.to(dtype) for tensor in parameters))
    for name, tensor in intermediates(parameters, inputs.to(dtype), labels, LAMBDA)._asdict().items():
        assert tensor.isfinite().all(), name
        assert tensor.dtype == dtype, name


def test_square_weights_are_transposed():
    """A square weight hides a missing transposition from the shapes, not from the numbers."""
    assert_agrees_with_autograd(*draw_two_layer((7, 5, 4, 4)), LAMBDA)


# ---- side effects


def test_no_graph_is_built_and_nothing_given_is_changed():
    parameters, inputs, labels = draw_two_layer(SIZES[1])
    leaves, inputs = Parameters(*(tensor.requires_grad_() for tensor in parameters)), inputs.requires_grad_()
    before = [tensor.detach().clone() for tensor in (*leaves, inputs)]
    loss, gradients = loss_and_gradients(leaves, inputs, labels, LAMBDA)
    trained, _ = train(
        leaves, inputs, labels, batches=[[0, 1]], learning_rate=1, decay=1, decay_every=1, regularization=0
    )
    trace = intermediates(leaves, inputs, labels, LAMBDA)
    stepped = sgd_step(leaves, gradients, 0.1)
    assert_plain(loss, *gradients, *trace, forward(leaves, inputs), *stepped, *trained)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip((*leaves, inputs), before, strict=True))
    assert all(tensor.grad is None for tensor in (*leaves, inputs))


def test_inference_mode():
    with torch.inference_mode():
        parameters, inputs, labels = draw_two_layer(SIZES[1])
        loss, gradients = loss_and_gradients(parameters, inputs, labels, LAMBDA)
        sgd_step(parameters, gradients, 0.1)
    outside, _ = loss_and_gradients(*draw_two_layer(SIZES[1]), LAMBDA)
    assert torch.equal(loss, outside)


def test_autocast_does_not_reach_in():
    problem = draw_two_layer(SIZES[2], torch.float32)
    outside = loss_and_gradients(*problem, LAMBDA)
    scores = forward(problem[0], problem[1])
    with torch.autocast("cpu", torch.bfloat16):
        loss, gradients = loss_and_gradients(*problem, LAMBDA)
        assert torch.equal(forward(problem[0], problem[1]), scores)
    assert torch.equal(loss, outside[0])
    assert all(torch.equal(mine, its) for mine, its in zip(gradients, outside[1], strict=True))


def test_transposed_views_are_accepted():
    parameters, inputs, labels = draw_two_layer(SIZES[2])
    views = Parameters(*(tensor.T.contiguous().T if tensor.dim() == 2 else tensor for tensor in parameters))
    assert not views.w1.is_contiguous()
    _, gradients = loss_and_gradients(views, inputs.T.contiguous().T, labels, LAMBDA)
    _, expected = loss_and_gradients(parameters, inputs, labels, LAMBDA)
    for name, mine, its in zip(Gradients._fields, gradients, expected, strict=True):
        assert_close(name, mine, its, EXACT)


# ---- bad input


def rejected(message: str, **changes: object) -> None:
    parameters, inputs, labels = draw_two_layer(SIZES[1])
    arguments = {**parameters._asdict(), "inputs": inputs, "labels": labels, "regularization": 0.0} | changes
    tensors = Parameters(*(arguments.pop(name) for name in Parameters._fields))
    for function in (loss_and_gradients, intermediates):
        with pytest.raises(ValueError, match=message):
            function(tensors, **arguments)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (r"labels must be of dtype torch.int64", {"labels": torch.zeros(5, dtype=torch.int32)}),
        (r"labels must have shape \(5,\)", {"labels": torch.zeros(4, dtype=torch.int64)}),
        (r"labels must have shape \(5,\)", {"labels": torch.zeros(5, 3, dtype=torch.int64)}),
        (r"inputs must be a torch.Tensor, not ndarray", {"inputs": np.zeros((5, 4))}),
        (r"inputs must be of a float dtype", {"inputs": torch.zeros(5, 4, dtype=torch.uint8)}),
        (r"parameters.w1 must be of the dtype of inputs", {"inputs": torch.zeros(5, 4)}),
        (r"inputs must have the 2 dimensions", {"inputs": torch.zeros(4, dtype=torch.float64)}),
        (r"inputs must have shape \(5, 4\)", {"inputs": torch.zeros(5, 6, dtype=torch.float64)}),
        (r"inputs must hold at least one example", {"inputs": torch.zeros(0, 4, dtype=torch.float64)}),
        (r"parameters.w1 must be a torch.Tensor, not ndarray", {"w1": np.zeros((4, 10))}),
        (r"parameters.w1 must have the 2 dimensions", {"w1": torch.zeros(4, dtype=torch.float64)}),
        (r"parameters.b1 must have shape \(10,\)", {"b1": torch.zeros(1, dtype=torch.float64)}),
        (r"parameters.w2 must have shape \(10, 3\)", {"w2": torch.zeros(3, 3, dtype=torch.float64)}),
        (r"parameters.b2 must have shape \(3,\)", {"b2": torch.zeros(1, 3, dtype=torch.float64)}),
        (r"parameters.b2 must be of the dtype", {"b2": torch.zeros(3)}),
        (
            r"parameters.w2 must be on the device",
            {"w2": torch.zeros(10, 3, dtype=torch.float64, device="meta")},
        ),
        (r"labels must be on the device", {"labels": torch.zeros(5, dtype=torch.int64, device="meta")}),
        (r"regularization must be finite and at least 0, not -0.1", {"regularization": -0.1}),
        (r"regularization must be finite and at least 0, not nan", {"regularization": float("nan")}),
    ],
)
def test_bad_arguments_are_named(message, changes):
    rejected(message, **changes)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (r"learning_rate must be finite and positive", {"learning_rate": 0.0}),
        (r"decay must be finite and positive", {"decay": -1.0}),
        (r"decay_every must be at least 1 step", {"decay_every": 0}),
        (r"regularization must be", {"regularization": -1.0}),
        (r"batches must each hold at least one index.*at step 2", {"batches": [[0], []]}),
        (r"batches must hold integer indices", {"batches": [[0.5]]}),
        (r"batches must hold indices in \[0, 5\), not 9 at step 1", {"batches": [[9]]}),
        (r"batches must hold indices in \[0, 5\), not -1 at step 1", {"batches": [[-1]]}),
    ],
)
def test_bad_training_arguments_are_named(message, changes):
    with pytest.raises(ValueError, match=message):
        train(*draw_two_layer(SIZES[1]), **({**TRAINING, "batches": [[0]]} | changes))


def test_arrays_in_place_of_tensors_are_refused():
    parameters, inputs, labels = draw_two_layer(SIZES[1])
    with pytest.raises(ValueError, match=r"inputs must be a torch.Tensor, not ndarray"):
        train(parameters, inputs.numpy(), labels, batches=[[0]], **TRAINING)
    with pytest.raises(ValueError, match=r"inputs must be a torch.Tensor, not list"):
        forward(parameters, inputs.tolist())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("wrong", "message"), [(3, r"\[0, 3\).*not 3"), (-100, "not -100")])
def test_training_checks_labels_on_every_device(device, wrong, message):
    parameters, inputs, labels = draw_two_layer(SIZES[1], device=device)
    labels[2] = wrong
    with pytest.raises(ValueError, match=f"labels must be in {message}" if wrong > 0 else message):
        train(parameters, inputs, labels, batches=[], **TRAINING)


@pytest.mark.parametrize("wrong", [3, -1, -100])
def test_a_wrong_label_never_gives_numbers(wrong):
    parameters, inputs, labels = draw_two_layer(SIZES[1])
    labels[2] = wrong
    for function in (loss_and_gradients, intermediates):
        with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
            function(parameters, inputs, labels, LAMBDA)


def test_values_are_read_once_before_training(monkeypatch):
    problem, reads = draw_two_layer(SIZES[1]), []
    right = torch.aminmax
    monkeypatch.setattr(torch, "aminmax", lambda tensor: reads.append(tensor) or right(tensor))
    loss_and_gradients(*problem, LAMBDA)
    assert reads == []
    train(*problem, batches=[[0, 1]] * 4, **TRAINING)
    assert sum(tensor is problem[2] for tensor in reads) == 1
    assert len(reads) == 5, "the labels, and four batches of indices on the CPU"


def test_step_with_a_gradient_of_another_shape_is_refused():
    parameters, *_ = draw_two_layer(SIZES[1])
    gradients = Gradients(*parameters)._replace(b2=parameters.b1)
    with pytest.raises(ValueError, match=r"gradients\[3\] must have shape \(3,\)"):
        sgd_step(parameters, gradients, 0.1)


@pytest.mark.parametrize("name", ["labels", "b1", "regularization"])
def test_arguments_of_another_type_are_named(name):
    problem = toy_problem()
    parameters, labels, regularization = problem.parameters, problem.labels, 0.0
    if name == "b1":
        parameters = parameters._replace(b1=[0.0])
    elif name == "labels":
        labels = [0, 1]
    else:
        regularization = None
    with pytest.raises(ValueError, match=name):
        loss_and_gradients(parameters, problem.inputs, labels, regularization)
