"""The solutions of docs/teaching.md."""

import math
import re
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cifar_mlp import PCA, Classifier
from cifar_mlp.parity import check

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "teaching.md").read_text()
PARAMETERS = {"w1": np.zeros((11, 8)), "b1": np.zeros(8), "w2": np.zeros((8, 5)), "b2": np.zeros(5)}
INPUTS, LABELS = np.zeros((57, 11)), np.arange(57) % 5


def submission(changed: dict[str, str]) -> object:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    names: dict[str, object] = {}
    exec(text, names)
    return names["loss_and_gradients"]


def test_1_the_mask_is_of_the_gradient_and_reaches_only_the_first_layer():
    report = check.gradients(submission({}), PARAMETERS, INPUTS, LABELS)
    assert {tensor.name for tensor in report.tensors if not tensor.right} == {"w1", "b1"}
    assert any("mask" in cause for cause in report.causes), report


def test_1_mended():
    assert check.gradients(submission({"dh * (dh > 0)": "dh * (z > 0)"}), PARAMETERS, INPUTS, LABELS).right


def test_2_softplus():
    def forward(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))  # log(1 + exp(x)) overflows at 1000

    def backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        return dy / (1 + np.exp(-x))

    assert check.layer(forward, backward, np.zeros((5, 3))).right
    assert not check.layer(forward, lambda dy, x: dy * np.exp(x), np.zeros((5, 3))).right
    assert forward(np.array(1000.0)) == 1000.0


def test_3_the_first_loss_is_that_of_a_guess():
    torch.manual_seed(0)
    x, y = torch.randn(500, 3072), torch.arange(500) % 10
    small = Classifier(in_features=3072, initialization="normal", init_std=1e-4)
    large = Classifier(in_features=3072, initialization="kaiming")
    first, second = (float(torch.nn.functional.cross_entropy(model(x), y).detach()) for model in (small, large))
    assert first == pytest.approx(math.log(10), abs=1e-3)
    assert second > first + 0.1  # scores of variance near 2 are confident guesses, and wrong nine times out of ten


def test_4_whitening_makes_all_directions_equally_steep():
    digits = torch.from_numpy(load_digits().data)
    plain, white = (torch.cov(PCA(40, whiten=whiten).fit(digits)(digits).T) for whiten in (False, True))
    torch.testing.assert_close(white, torch.eye(40, dtype=torch.float64), rtol=0, atol=1e-8)
    torch.testing.assert_close(plain, plain.diagonal().diag(), rtol=0, atol=1e-8 * float(plain.max()))
    assert float(plain.diagonal()[0] / plain.diagonal()[-1]) == pytest.approx(70.4, abs=0.1)
    pca = PCA(40, whiten=True).fit(digits)
    growth = 1 / pca.explained_variance.sqrt()
    assert int(growth.argmax()) == 39, "the last component, mostly noise, grows most"
    limited = torch.cov(PCA(40, whiten=True, epsilon=10.0).fit(digits)(digits).T).diagonal()
    assert float(limited[-1]) < 0.25 < 0.9 < float(limited[0])


def test_5_how_many_images_tell_57_5_from_56():
    p, gap = 0.5675, 0.015
    assert 100 * math.sqrt(p * (1 - p) / 1000) == pytest.approx(1.57, abs=0.01)
    quantiles = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    different_images = 2 * p * (1 - p) * (quantiles / gap) ** 2
    same_images = (0.20 - gap**2) * (quantiles / gap) ** 2  # the variance of a difference that is -1, 0 or 1
    assert different_images == pytest.approx(17_100, rel=0.01)
    assert same_images == pytest.approx(6_970, rel=0.01)
