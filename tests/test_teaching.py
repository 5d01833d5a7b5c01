"""The solutions of docs/teaching.md."""

import json
import math
import re
from pathlib import Path
from statistics import NormalDist, stdev
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from cifar_mlp import PCA, Classifier
from cifar_mlp.cli import run
from cifar_mlp.parity import check

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "teaching.md").read_text()
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


RIGHT = {"dh * (dh > 0)": "dh * (z > 0)"}


def test_1_mended():
    assert check.gradients(submission(RIGHT), PARAMETERS, INPUTS, LABELS).right


def test_1_the_wrong_mask_kills_every_hidden_unit():
    """dz = dh where dh > 0 is never negative, so b1's gradient is not either and each step lowers every bias, until no
    image reaches a unit. The network then knows the classes' frequencies alone: ln 10."""

    def trained(mine: Any) -> tuple[list[float], float]:
        draw = np.random.default_rng(0)
        digits = load_digits()
        x, y = digits.data / 16, digits.target
        p = {"w1": draw.normal(0, 0.2, (64, 32)), "b1": np.zeros(32)}
        p |= {"w2": draw.normal(0, 0.2, (32, 10)), "b2": np.zeros(10)}
        losses = []
        for _ in range(200):
            loss, gradients = mine(p, x, y, 0.0)
            losses.append(float(loss))
            for name in p:
                p[name] -= 0.1 * gradients[name]
        return losses, float(((x @ p["w1"] + p["b1"]) <= 0).all(0).mean())

    losses, dead = trained(submission({}))
    assert min(losses) < losses[0] - 0.04
    assert dead == 1.0
    assert losses[-1] == pytest.approx(math.log(10), abs=2e-3)
    losses, dead = trained(submission(RIGHT))
    assert losses[-1] < 0.6
    assert dead < 0.2


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


@pytest.mark.parametrize(("initialization", "larger"), [("normal", 0.0), ("kaiming", 0.1)])
def test_3_the_command_shows_it(initialization: str, larger: float):
    """Other causes of a large first loss: inputs that were never scaled, and a sum over the batch instead of a mean."""
    (line,) = re.findall(r"^cifar-mlp fit (.*)$", PAGE, re.M)
    command = run(["fit", *line.replace("normal", initialization).split(), "--data.dtype", "float32"])
    loss = float(command.trainer.callback_metrics["digits/train/loss"])
    assert command.trainer.global_step == 1
    assert loss == pytest.approx(math.log(10), abs=1e-3) if larger == 0 else loss > math.log(10) + larger


def test_4_gradient_descent_is_faster_on_whitened_features():
    """All directions are equally steep, so one rate suits them all."""
    digits = load_digits()
    x, y = torch.from_numpy(digits.data), torch.from_numpy(digits.target)
    losses = {}
    for whiten in (False, True):
        features = PCA(40, whiten=whiten).fit(x)(x)
        rate = 1 / float(torch.linalg.eigvalsh(torch.cov(features.T))[-1])
        w, onehot = torch.zeros(40, 10, dtype=torch.float64), torch.eye(10, dtype=torch.float64)[y]
        for _ in range(200):
            w -= rate * features.T @ ((features @ w).softmax(1) - onehot) / len(x)
        losses[whiten] = float(torch.nn.functional.cross_entropy(features @ w, y))
    assert losses[True] < 0.7 * losses[False]


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


def test_5_the_spread_between_seeds_is_smaller_than_the_error_of_1000_images():
    """The +- holds what another seed changes on these images. It does not hold the choice of the 1,000 images, which
    moves all seeds alike: that error is larger, and more seeds do not make it smaller."""
    runs = json.loads((ROOT / "docs" / "results.json").read_text())["runs"]
    found = [row["last"]["val/accuracy"] for row in runs if row["config"] == "q4_best"]
    assert len(found) >= 5
    assert 0.005 < stdev(found) < math.sqrt(0.5675 * (1 - 0.5675) / 1000)


def test_5_how_many_images_tell_57_5_from_56():
    p, gap = 0.5675, 0.015
    assert 100 * math.sqrt(p * (1 - p) / 1000) == pytest.approx(1.57, abs=0.01)
    quantiles = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    different_images = 2 * p * (1 - p) * (quantiles / gap) ** 2
    same_images = (0.20 - gap**2) * (quantiles / gap) ** 2  # the variance of a difference that is -1, 0 or 1
    assert different_images == pytest.approx(17_100, rel=0.01)
    assert same_images == pytest.approx(6_970, rel=0.01)
