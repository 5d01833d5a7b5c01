"""Faults planted one at a time; the public comparison must name exactly the tensors that come out wrong."""

import pytest
import torch

from cifar_mlp.parity import layers, two_layer
from cifar_mlp.parity.compare import compare
from cifar_mlp.parity.evidence import rows as rows_module
from cifar_mlp.parity.faults import DSCORES, EXACT, FAULTS, planted

pytestmark = pytest.mark.parity

TWO_LAYER = [name for name, fault in FAULTS.items() if fault.tensors and name not in DSCORES]  # these name the same


def failures(*dtypes):
    """The failed rows among the toy, one drawn size and the special cases, on the CPU."""
    found = compare(("cpu",), dtypes or EXACT, ("toy", "64-48-10:57"), training_steps=0)
    return [row for row in found.rows if row.verdict == "FAIL"]


def cases_of(rows):
    return {row.case for row in rows}


def replace_gradient(monkeypatch, **changes):
    """Make ``loss_and_gradients`` return gradients changed by the functions given."""
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        changed = {name: change(getattr(gradients, name)) for name, change in changes.items()}
        return loss, gradients._replace(**changed)

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)


@pytest.mark.parametrize("name", TWO_LAYER)
def test_exactly_the_wrong_tensors_are_named(name):
    with planted(name) as fault:
        found = failures(*(dtype for dtype in fault.dtypes if dtype in EXACT))

    hand = [row for row in found if row.witness.startswith("hand")]
    drawn = [
        row for row in hand if row.case not in ("toy", "repeat") and "deep" not in row.case
    ]  # TF32 holds drawn numbers, not the toy's
    assert {row.tensor for row in drawn} == set(fault.tensors)
    if fault.function.endswith("forward"):
        return
    assert hand == found, "a fault of the backward pass is blamed on what confirms the reference"


def test_a_wrong_loss_contradicts_its_central_differences():
    with planted("penalty missing from the loss"):
        found = [row for row in failures("float64") if row.witness.startswith("differences")]

    assert {row.tensor for row in found} == {"w1", "w2"}
    assert cases_of(found) == {"toy", "64-48-10:57"}


def test_a_mask_on_at_exactly_zero_shows_only_where_units_are_exactly_zero():
    with planted("mask on at exactly zero"):
        found = [row for row in failures() if row.witness == "hand: intermediates"]

    assert cases_of(found) == {"kink", "large-logits"}


def test_softmax_without_the_shift_overflows_only_for_large_logits():
    with planted("softmax without the shift"):
        found = failures("float64")

    assert cases_of(found) == {"large-logits"}
    assert {row.reason for row in found} == {"not finite"}


def test_a_fault_in_the_fast_function_alone(monkeypatch):
    replace_gradient(monkeypatch, b1=lambda b1: b1 * (1 + 1e-11))

    found = failures("float64")
    assert {(row.witness, row.tensor) for row in found} == {("hand: loss_and_gradients", "b1")}


def test_a_transposed_weight_that_does_not_fit_is_a_failure(monkeypatch):
    monkeypatch.setattr(layers, "affine_backward_input", lambda dy, w: dy @ w)

    found = failures()
    assert cases_of(found) >= {"toy", "64-48-10:57"}
    assert all(row.tensor == "every tensor" and "RuntimeError" in row.reason for row in found)


def test_a_gradient_of_another_shape_is_a_failure(monkeypatch):
    replace_gradient(monkeypatch, w1=lambda w1: w1.T, b2=lambda b2: b2[None])

    found = [row for row in failures("float64") if row.case == "toy"]
    assert [(row.tensor, row.reason) for row in found] == [
        ("w1", "shape (10, 4), expected (4, 10)"),
        ("b2", "shape (1, 3), expected (3,)"),
    ]


@pytest.mark.parametrize("lost", ["float32", "bfloat16"])
def test_a_lost_dtype_is_a_failure(monkeypatch, lost):
    replace_gradient(monkeypatch, w1=lambda w1: w1.to(getattr(torch, lost)))

    assert {(row.tensor, row.reason) for row in failures("float64")} >= {
        ("w1", f"torch.{lost}, expected torch.float64")
    }


def test_a_graph_is_a_failure(monkeypatch):
    replace_gradient(monkeypatch, w2=lambda w2: w2.requires_grad_())

    assert {row.reason for row in failures("float64")} == {"has an autograd graph"}


def test_a_training_that_drifts_is_a_failure(monkeypatch):
    right = two_layer.sgd_step
    monkeypatch.setattr(
        two_layer, "sgd_step", lambda parameters, gradients, rate: right(parameters, gradients, rate * (1 + 1e-6))
    )
    found = compare(("cpu",), ("float64",), ("toy",), training_steps=100)

    assert [row.verdict for row in found.rows if row.case == "training"] == ["FAIL", "shown"]
    assert found.failures[0].startswith("losses: normwise error")


def test_bits_that_change_from_run_to_run_are_a_failure(monkeypatch):
    right, calls = layers.softmax_cross_entropy_backward, []

    def restless(p, labels):
        calls.append(1)
        return right(p, labels) * (1 + 4e-16 * (len(calls) % 2))

    monkeypatch.setattr(layers, "softmax_cross_entropy_backward", restless)

    assert "w2" in {row.tensor for row in failures("float64") if row.case == "repeat"}


def test_the_self_test_fails_when_the_comparison_is_blind(monkeypatch):
    monkeypatch.setitem(rows_module.NORMWISE_TOLERANCE, torch.float64, 1e9)
    found = compare(("cpu",), ("float64",), (), training_steps=0, self_test=True)

    assert any(
        "penalty gradient halved, planted fault" in failure and "missed" in failure for failure in found.failures
    )


def test_a_planted_fault_is_removed_also_after_an_exception():
    right = layers.relu_backward
    with pytest.raises(ValueError, match="inputs"), planted("mask skipped"):
        two_layer.forward(None, None)
    assert layers.relu_backward is right
