"""``check.gradients`` finds every planted fault in a student's backward pass, names it, and accuses no right one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cifar_mlp.parity import check
from cifar_mlp.parity.check import probes

SOURCE = """
import numpy as np

def loss_and_gradients(params, X, y, reg):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    N = X.shape[0]
    z2 = X @ W1 + b1
    a2 = np.maximum(0, z2)
    scores = a2 @ W2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(N), y]).mean() + reg * ((W1 ** 2).sum() + (W2 ** 2).sum())
    dz3 = p.copy()
    dz3[np.arange(N), y] -= 1
    dz3 /= N
    dW2 = a2.T @ dz3 + 2 * reg * W2
    db2 = dz3.sum(axis=0)
    da2 = dz3 @ W2.T
    dz2 = da2 * (z2 > 0)
    dW1 = X.T @ dz2 + 2 * reg * W1
    db1 = dz2.sum(axis=0)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""
PARAMETERS = {"W1": np.full((11, 8), 0.5), "b1": np.zeros(8), "W2": np.full((8, 5), 0.5), "b2": np.zeros(5)}
INPUTS, LABELS = np.zeros((57, 11)), np.arange(57) % 5

# What the student wrote instead, and words that the cause must contain.
WRONG = {
    "1/N twice": ("dz3 /= N", "dz3 /= N * N", "1/N"),
    "sign": ("return loss,", "dz3 = -dz3; dW2 = -dW2; return loss,", "-1"),
    "no label": ("dz3[np.arange(N), y] -= 1", "pass", "the label is not subtracted"),
    "label added": ("dz3[np.arange(N), y] -= 1", "dz3[np.arange(N), y] += 1", "the label with the wrong sign"),
    "penalty of the other layer's sign": ("+ 2 * reg * W1", "- 2 * reg * W1", "penalty"),
    "derivative is the output": ("da2 * (z2 > 0)", "da2 * a2", "a1, the output, not by the derivative"),
    "bias over classes": ("db2 = dz3.sum(axis=0)", "db2 = dz3.sum(axis=1)", "not summed over the examples"),
    "bias over all": ("db2 = dz3.sum(axis=0)", "db2 = dz3.sum()", "summed"),
    "transposed": ("dW2 = a2.T @ dz3 + 2 * reg * W2", "dW2 = (a2.T @ dz3 + 2 * reg * W2).T", "transposed"),
    "bias from da2": ("db1 = dz2.sum(axis=0)", "db1 = da2.sum(axis=0)", "it sums da1, not dz1"),
    "nothing for a tensor": ("db1 = dz2.sum(axis=0)", "db1 = 0 * b1", "b1: the gradient is 0: it is never computed"),
}


def student(source: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(source, space)
    function: Callable[..., Any] = space["loss_and_gradients"]
    return function


def report_of(mine: Callable[..., Any], parameters: Any = PARAMETERS, **options: Any) -> check.Report:
    return check.gradients(mine, parameters, INPUTS, LABELS, regularization=0.05, **options)


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_backward_pass_is_found_and_its_cause_named(fault: str):
    before, after, words = WRONG[fault]
    assert SOURCE.count(before) == 1
    report = report_of(student(SOURCE.replace(before, after)))
    assert not report.right
    assert words in str(report)
    with pytest.raises(AssertionError, match="wrong"):
        report.raise_if_wrong()


def test_the_right_one_is_right_and_nothing_is_changed():
    before = {name: array.copy() for name, array in PARAMETERS.items()}
    report = report_of(student(SOURCE))
    assert (report.right, report.verdict, report.causes) == (True, "right", [])
    assert [tensor.name for tensor in report.tensors] == ["W1", "b1", "W2", "b2"]
    assert max(tensor.error for tensor in report.tensors) < 1e-12
    assert report.as_dict()["right"] is True
    assert all((PARAMETERS[name] == before[name]).all() for name in before)
    report.raise_if_wrong()


class Network:
    """As CS231n's: arrays in ``params``, and ``loss(X, y, reg)``."""

    def __init__(self) -> None:
        self.params = {name: value.copy() for name, value in PARAMETERS.items()}

    def loss(self, X: Any, y: Any, reg: float) -> Any:
        return student(SOURCE)(self.params, X, y, reg)


def test_an_object_of_the_course_s_kind_is_taken():
    assert check.gradients(Network(), INPUTS, LABELS).verdict == "right"


class Decayed(Network):
    """The same with another name for the factor, which has a default."""

    def loss(self, x: Any, t: Any, weight_decay: float = 0.0) -> Any:  # type: ignore[override]
        return super().loss(x, t, weight_decay)


def test_the_penalty_s_factor_of_an_object_has_any_usual_name():
    assert check.gradients(Decayed(), INPUTS, LABELS).verdict == "right"


def test_gradients_in_another_order_are_matched_by_shape_and_that_is_said():
    returned = SOURCE.index("return loss")
    alike, other = ("return loss, [dW1, db1, dW2, db2]\n", "return loss, [dW1, dW2, db1, db2]\n")
    assert order_told(SOURCE[:returned] + alike) == ("right", False)
    assert order_told(SOURCE[:returned] + other) == ("right", True)


def order_told(source: str) -> tuple[str, bool]:
    report = report_of(student(source))
    return report.verdict, any("another order" in note for note in report.notes)


ANOTHER = {
    "half": [("reg * ((W1", "0.5 * reg * ((W1"), ("2 * reg * W2", "reg * W2"), ("2 * reg * W1", "reg * W1")],
    "none": [("+ reg * ((W1 ** 2).sum() + (W2 ** 2).sum())", ""), ("+ 2 * reg * W2", ""), ("+ 2 * reg * W1", "")],
    "sum": [(".mean() + reg", ".sum() + reg"), ("dz3 /= N", "pass")],
}


@pytest.mark.parametrize("convention", ANOTHER)
def test_another_function_is_named_not_accused_and_right_when_asked_for(convention: str):
    source = SOURCE
    for before, after in ANOTHER[convention]:
        source = source.replace(before, after)
    report = report_of(student(source))
    assert report.right
    assert report.verdict == "another function"
    assert report.causes
    option = {"reduction": "sum"} if convention == "sum" else {"penalty": convention}
    assert report_of(student(source), **option).verdict == "right"


def test_a_wrong_loss_with_right_gradients_is_the_loss_s_fault():
    report = report_of(student(SOURCE.replace("return loss,", "return loss + 1.0 / (1 + abs(loss)),")))
    assert not report.right


def test_another_derivative_at_the_kink_is_a_note_not_a_fault():
    report = report_of(student(SOURCE.replace("(z2 > 0)", "(z2 >= 0)")))
    assert report.verdict == "right"
    assert "at the kink" in report.notes[-1]


def test_a_logarithm_of_0_is_a_note():
    assert report_of(student(SOURCE)).notes == [probes.LOGARITHM]
    assert report_of(student(SOURCE.replace("(p[np.arange(N), y])", "(p[np.arange(N), y] + 1e-30)"))).notes == []


def test_a_result_of_the_call_before_is_called_stale():
    stored = "    old = globals().get('kept', dW1); globals()['kept'] = dW1\n    return loss,"
    report = report_of(student(SOURCE.replace("    return loss,", stored).replace('"W1": dW1', '"W1": old')))
    assert report.causes == ["the result depends on the call before: a stored value is stale"]


def test_any_function_is_checked_by_its_own_differences():
    def mine(parameters: Any) -> Any:
        x = parameters["x"]
        return float(np.sin(x).sum()), {"x": np.cos(x)}

    def wrong(parameters: Any) -> Any:
        return mine(parameters)[0], {"x": -np.cos(parameters["x"])}

    point = {"x": np.linspace(0.1, 1.0, 7)}
    assert check.gradients(mine, point).right
    assert not check.gradients(wrong, point).right


def test_an_exception_in_the_student_s_code_is_a_line():
    report = report_of(student(SOURCE.replace("dz3 /= N", "raise KeyError('dz3')")))
    assert not report.right
    assert "KeyError" in str(report)


@pytest.mark.parametrize(("option", "value"), [("penalty", "twice"), ("reduction", "max"), ("dropout", 1.5)])
def test_an_option_that_is_none_is_refused(option: str, value: Any):
    with pytest.raises(ValueError, match=option):
        report_of(student(SOURCE), **{option: value})


def test_labels_that_do_not_fit_are_refused_and_inputs_may_be_a_list():
    with pytest.raises(ValueError, match=r"labels of shape \(9,\) do not fit inputs of shape \(57, 11\)"):
        check.gradients(student(SOURCE), PARAMETERS, INPUTS, LABELS[:9])
    assert check.gradients(student(SOURCE), PARAMETERS, INPUTS.tolist(), LABELS.tolist()).right
