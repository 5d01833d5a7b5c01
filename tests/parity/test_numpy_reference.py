"""The NumPy witness, against numbers worked out on paper and against its own loss, never against our code."""

import ast
from pathlib import Path

import numpy as np
import pytest

from cifar_mlp.parity import numpy_reference

pytestmark = pytest.mark.parity


def small(classes: int = 2) -> dict:
    """One unit on, one off: z2 = [3, -1], a2 = [3, 0], logits [3, 0]."""
    return {
        "w1": np.array([[1.0, -1.0]]),
        "b1": np.array([1.0, 1.0]),
        "w2": np.array([[1.0, 0.0], [5.0, 7.0]])[:, :classes],
        "b2": np.zeros(classes),
        "inputs": np.array([[2.0]]),
        "labels": np.array([0]),
    }


def test_numbers_worked_out_on_paper():
    found = numpy_reference.intermediates(**small(), regularization=0.5)

    p = 1 / (1 + np.exp(-3.0))
    penalty = 0.5 * (1 + 1 + 1 + 25 + 49)
    np.testing.assert_allclose(found.z2, [[3.0, -1.0]])
    np.testing.assert_allclose(found.scores, [[3.0, 0.0]])
    np.testing.assert_allclose(found.probabilities, [[p, 1 - p]], rtol=1e-13)
    np.testing.assert_allclose(found.loss, -np.log(p) + penalty, rtol=1e-15)
    np.testing.assert_allclose(found.dz3, [[p - 1, 1 - p]], rtol=1e-13)
    np.testing.assert_allclose(found.da2, [[p - 1, 5 * (p - 1) + 7 * (1 - p)]], rtol=1e-13)
    np.testing.assert_allclose(found.dz2, [[p - 1, 0.0]], rtol=1e-13)
    np.testing.assert_allclose(found.w1, [[2 * (p - 1) + 1.0, -1.0]], rtol=1e-13)
    np.testing.assert_allclose(found.b1, [p - 1, 0.0], rtol=1e-13)
    np.testing.assert_allclose(found.w2, [[3 * (p - 1) + 1, 3 * (1 - p)], [5.0, 7.0]], rtol=1e-13)
    np.testing.assert_allclose(found.b2, [p - 1, 1 - p], rtol=1e-13)


def test_a_unit_exactly_at_its_kink_passes_no_gradient():
    found = numpy_reference.intermediates(**{**small(), "b1": np.array([-2.0, 3.0])}, regularization=0.0)

    assert found.z2[0, 0] == 0
    assert found.dz2[0, 0] == 0
    assert found.dz2[0, 1] != 0


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_large_logits_stay_finite_and_right(size):
    found = numpy_reference.intermediates(**{**small(), "b2": np.array([0.0, size])}, regularization=0.0)

    assert found.loss == pytest.approx(max(0.0, size - 3.0), rel=1e-15, abs=1e-300)
    assert np.isfinite(found.w1).all()


def test_it_imports_numpy_and_none_of_our_code():
    tree = ast.parse(Path(numpy_reference.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert {name.split(".")[0] for name in imported} == {"numpy", "typing"}
