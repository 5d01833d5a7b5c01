"""The report's figures of the toy problem, to the digit."""

import pytest

from cifar_mlp.parity import layers, toy, two_layer
from cifar_mlp.parity.evidence.toy_figures import gradient_check, toy_figures

pytestmark = pytest.mark.parity


def test_softmax_of_the_scores():
    problem = toy.toy_problem()
    scores = two_layer.forward(problem.parameters, problem.inputs)
    _, probabilities = layers.softmax_cross_entropy_forward(scores, problem.labels)

    difference = (probabilities - problem.correct_probabilities).abs().sum().item()

    assert difference == pytest.approx(2.9173411603133914e-08, rel=0, abs=1e-15)


def test_loss():
    problem = toy.toy_problem()
    loss, _ = two_layer.loss_and_gradients(problem.parameters, problem.inputs, problem.labels, 0.05)

    assert abs(loss.item() - 1.30378789133) < 2e-13


def test_central_differences_agree_to_the_printed_digits():
    errors = gradient_check()

    assert f"{errors['w2']:.6e}" == "3.440708e-09"
    assert f"{errors['w1']:.6e}" == "3.561318e-09"
    assert errors["b1"] < 5e-9
    assert errors["b2"] < 5e-9


def test_training():
    problem = toy.toy_problem()
    _, losses = two_layer.train(
        problem.parameters,
        problem.inputs,
        problem.labels,
        batches=problem.batches(),
        learning_rate=0.1,
        decay=0.95,
        decay_every=1,
        regularization=5e-6,
    )

    assert len(losses) == 100
    assert losses[0] == pytest.approx(1.2419938024915662, rel=0, abs=1e-14)
    assert losses[-1] == pytest.approx(0.0171496079387321, rel=0, abs=1e-14)


def test_every_figure_of_the_table_is_held():
    figures, losses = toy_figures()

    assert [figure.name for figure in figures if not figure.held] == []
    assert len(figures) == 10
    assert sum(figure.prints_the_same for figure in figures) >= 5
    assert len(losses) == 100


def test_a_wrong_gradient_misses_a_figure(monkeypatch):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(w2=gradients.w2 * (1 + 1e-8))

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)
    figures, _ = toy_figures()

    assert "W2, maximum relative error" in [figure.name for figure in figures if not figure.held]
