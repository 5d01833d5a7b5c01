"""Faults planted in the real functions, one at a time; the public comparison must name a tensor for each.

A comparison that lets one of these through proves nothing by holding.
"""

import pytest
import torch

from cifar_mlp.parity import layers, two_layer
from cifar_mlp.parity.compare import compare
from cifar_mlp.parity.evidence.precision import ImitatedTF32

pytestmark = pytest.mark.parity


def failures(*dtypes):
    """The rows that fail, among the toy, one drawn size and the special cases, on the CPU."""
    found = compare(("cpu",), dtypes or ("float64", "float32"), ("toy", "64-48-10:57"), training_steps=5)
    return [row for row in found.rows if row.verdict == "FAIL"]


def tensors_named(rows, witness, case="64-48-10:57"):
    """What the comparison with one witness calls wrong in one case."""
    return {row.tensor for row in rows if (row.witness, row.case) == (witness, case)}


def test_without_a_fault_nothing_fails():
    assert failures() == []


def test_factor_one_over_n_missing(monkeypatch):
    right = layers.softmax_cross_entropy_backward
    monkeypatch.setattr(layers, "softmax_cross_entropy_backward", lambda p, labels: right(p, labels) * len(labels))

    found = failures()
    for witness in ("autograd", "numpy"):
        assert tensors_named(found, witness) == {"dz3", "da2", "dz2", "w1", "b1", "w2", "b2"}
    assert tensors_named(found, "differences: 3 directions") == {"w1", "b1", "w2", "b2"}


def test_mask_skipped(monkeypatch):
    monkeypatch.setattr(layers, "relu_backward", lambda dy, x, out=None: dy)

    found = failures()
    assert tensors_named(found, "autograd") == {"dz2", "w1", "b1"}
    assert tensors_named(found, "differences: every entry", "toy") == {"w1", "b1"}


def test_mask_on_at_exactly_zero(monkeypatch):
    # on z2, as intermediates hands it over, >= is wrong at the kink alone; on a2 it is no mask at all
    monkeypatch.setattr(layers, "relu_backward", lambda dy, x, out=None: torch.mul(dy, x >= 0, out=out))

    found = [row for row in failures() if row.witness in ("autograd", "numpy")]
    assert {row.case for row in found} == {"kink", "large-logits"}  # those with units at exactly zero
    assert tensors_named(found, "autograd", "kink") == {"dz2", "w1", "b1"}


def test_mask_on_at_exactly_zero_in_the_fast_door_alone(monkeypatch):
    right = two_layer.loss_and_gradients

    def wrong(parameters, inputs, labels, regularization):
        trace = two_layer.intermediates(parameters, inputs, labels, regularization)
        loss, gradients = right(parameters, inputs, labels, regularization)
        return loss, gradients._replace(b1=(trace.da2 * (trace.z2 >= 0)).sum(0))

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)

    found = failures()
    assert {row.witness for row in found} == {"hand: loss_and_gradients"}
    assert {row.tensor for row in found} == {"b1"}
    assert "kink" in {row.case for row in found}
    assert "64-48-10:57" not in {row.case for row in found}


def test_transposed_weight(monkeypatch):
    monkeypatch.setattr(layers, "affine_backward_input", lambda dy, w: dy @ w.T.contiguous().reshape(w.shape).T)

    found = failures()
    assert tensors_named(found, "autograd") == {"da2", "dz2", "w1", "b1"}


def test_a_transposed_weight_that_does_not_fit(monkeypatch):
    monkeypatch.setattr(layers, "affine_backward_input", lambda dy, w: dy @ w)

    found = failures()
    assert {row.case for row in found} >= {"toy", "64-48-10:57"}
    assert all(row.tensor == "every tensor" and "RuntimeError" in row.reason for row in found)


def test_regularization_halved(monkeypatch):
    right = layers.l2_penalty_backward
    monkeypatch.setattr(layers, "l2_penalty_backward", lambda dw, factor, w, out=None: right(dw, factor / 2, w, out))

    found = failures()
    assert tensors_named(found, "autograd") == {"w1", "w2"}
    assert tensors_named(found, "differences: every entry", "toy") == {"w1", "w2"}


def test_bias_gradient_by_mean(monkeypatch):
    right = layers.affine_backward_parameters
    monkeypatch.setattr(layers, "affine_backward_parameters", lambda dy, x: (right(dy, x)[0], dy.mean(0)))

    assert tensors_named(failures(), "autograd") == {"b1", "b2"}


def test_softmax_without_the_shift(monkeypatch):
    def unshifted(scores, labels):
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        exp = scores.exp()
        p = exp / exp.sum(1, keepdim=True)
        return -p.gather(1, labels[:, None]).log().mean(), p

    monkeypatch.setattr(layers, "softmax_cross_entropy_forward", unshifted)

    found = [row for row in failures("float64") if row.witness == "autograd"]
    assert {row.case for row in found} == {"large-logits"}
    assert {row.reason for row in found} == {"the reference is not finite"}
    assert {"loss", "probabilities"} <= {row.tensor for row in found}


@pytest.mark.parametrize("lost", ["float32", "bfloat16"])
def test_dtype_lost_on_the_way(monkeypatch, lost):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(w1=gradients.w1.to(getattr(torch, lost)))

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)

    found = failures("float64")
    assert {(row.tensor, row.reason) for row in found} >= {("w1", f"torch.{lost} where torch.float64 was asked")}


def test_dtype_lost_and_put_back(monkeypatch):
    right = layers.affine_forward
    monkeypatch.setattr(layers, "affine_forward", lambda x, w, b: right(x.float(), w.float(), b.float()).to(x.dtype))

    found = failures("float64")
    assert "z2" in tensors_named(found, "numpy")
    assert all("over the limit 1e-12" in row.reason for row in found if row.tensor == "z2")


@pytest.mark.parametrize("name", ["affine_forward", "affine_backward_input", "affine_backward_parameters"])
def test_tf32_left_on(monkeypatch, name):
    right = getattr(layers, name)

    def rounded(*factors):
        with ImitatedTF32():
            return right(*factors)

    monkeypatch.setattr(layers, name, rounded)

    found = failures()
    assert found
    assert {row.dtype for row in found} == {"float32"}
    assert tensors_named(found, "hand: loss_and_gradients") >= {"w1"}


def test_a_training_that_goes_astray(monkeypatch):
    right = two_layer.sgd_step
    monkeypatch.setattr(
        two_layer,
        "sgd_step",
        lambda parameters, gradients, rate: right(parameters, gradients, rate * (1 + 1e-6)),
    )

    found = compare(("cpu",), ("float64",), ("toy",), training_steps=100)

    assert [entry.verdict for entry in found.trainings] == ["FAIL", "pass", "shown"]
    assert found.failures[0].startswith("losses: relative error")


def test_bits_that_change_from_run_to_run(monkeypatch):
    right, calls = layers.softmax_cross_entropy_backward, []

    def restless(p, labels):
        calls.append(1)
        return right(p, labels) * (1 + 4e-16 * (len(calls) % 2))

    monkeypatch.setattr(layers, "softmax_cross_entropy_backward", restless)

    found = compare(("cpu",), ("float64",), ("toy",), training_steps=0)

    assert found.repeats[0].verdict == "FAIL"
    assert "w2" in found.repeats[0].differing
