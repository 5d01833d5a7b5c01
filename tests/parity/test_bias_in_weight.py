"""Networks whose biases are a row or a column of their weights are checked like others, wherever these are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cifar_mlp.parity import check

pytestmark = pytest.mark.parity

N, D, H, C = 57, 11, 8, 5

BIAS_ROWS = """
import numpy as np

def mine(thetas, X, y, reg):
    acts, ones = [], np.ones((len(X), 1))
    for theta in thetas:
        acts.append(np.hstack([ones, X]))
        z = acts[-1] @ theta
        X = np.maximum(z, 0)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[range(len(y)), y]).mean() + reg * sum((theta[1:] ** 2).sum() for theta in thetas)
    d, found = p, []
    d[range(len(y)), y] -= 1
    d /= len(y)
    for theta, a in zip(thetas[::-1], acts[::-1]):
        gradient = a.T @ d
        gradient[1:] += 2 * reg * theta[1:]
        found.append(gradient)
        d = (d @ theta.T)[:, 1:] * (a[:, 1:] > 0)
    return loss, found[::-1]
"""


def of(source: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(source, space)
    return space["mine"]


def last_columns(mine: Callable[..., Any]) -> Callable[..., Any]:
    """The same function of weights with the biases in their last column."""

    def other(thetas: Any, X: Any, y: Any, reg: float) -> Any:
        loss, found = mine([np.roll(theta.T, 1, axis=0) for theta in thetas], X, y, reg)
        return loss, [np.roll(gradient, -1, axis=0).T for gradient in found]

    return other


def report_of(source: str, turned: bool = False) -> check.Report:
    shapes = [(D + 1, H), (H + 1, C)]
    thetas = [np.zeros(shape[::-1] if turned else shape) for shape in shapes]
    mine = last_columns(of(source)) if turned else of(source)
    return check.gradients(mine, thetas, np.zeros((N, D)), np.arange(N) % C)


@pytest.mark.parametrize(("turned", "where"), [(False, "first row"), (True, "last column")])
def test_a_right_one_is_right_and_the_biases_place_is_found(turned: bool, where: str):
    report = report_of(BIAS_ROWS, turned)
    assert report.verdict == "right"
    assert report.notes[-1] == f"the biases are the {where} of each weight"
    assert [tensor.name for tensor in report.tensors] == [
        "weights in W1", "biases in W1", "weights in W2", "biases in W2"]  # fmt: skip


WRONG = {
    "a penalty of biases": ("gradient[1:] += 2 * reg * theta[1:]", "gradient += 2 * reg * theta",
                            "biases in W2, biases in W1: a bias must not have a penalty"),
    "the wrong end": ("(d @ theta.T)[:, 1:]", "(d @ theta.T)[:, :-1]",
                      "da1 keeps the bias of W2 and leaves out a unit: it is cut at the wrong end"),
    "no mask": (" * (a[:, 1:] > 0)", "", "dz1: mask skipped"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("turned", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_wrong_one_is_named(what: str, turned: bool):
    before, after, words = WRONG[what]
    assert BIAS_ROWS.count(before) == 1
    report = report_of(BIAS_ROWS.replace(before, after), turned)
    assert (report.verdict, report.cause) == ("wrong", words)


def test_writing_into_the_weights_is_found():
    report = report_of(BIAS_ROWS.replace("return loss", "thetas[0][1] = 0\n    return loss"))
    assert report.cause == "the argument weights in W1 was written into: a caller's array must not change"


def test_tensors_that_want_gradients_serve_as_well():
    source = BIAS_ROWS.replace("acts, ones", "thetas = [theta.detach().numpy() for theta in thetas]; acts, ones")
    thetas = [torch.zeros(shape, requires_grad=True) for shape in ((D + 1, H), (H + 1, C))]
    report = check.gradients(of(source), thetas, np.zeros((N, D)), np.arange(N) % C)
    assert (report.verdict, report.notes[-1]) == ("right", "the biases are the first row of each weight")


def test_an_answer_in_float32_is_judged_by_its_rounding():
    report = report_of(BIAS_ROWS.replace("found.append(gradient)", "found.append(gradient.astype('float32'))"))
    assert report.verdict == "right"
    assert any("float32" in note for note in report.notes)
