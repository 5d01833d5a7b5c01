"""The report's numbers for the toy problem, to the digit."""

import pytest

from cifar_mlp.parity import layers, toy, two_layer
from cifar_mlp.parity.evidence.toy_figures import gradient_check, toy_figures
from cifar_mlp.parity.faults import planted

pytestmark = pytest.mark.parity


def test_scores_and_loss():
    problem = toy.toy_problem()
    trace = two_layer.intermediates(problem.parameters, problem.inputs, problem.labels, toy.REGULARIZATION)
    _, probabilities = layers.softmax_cross_entropy_forward(trace.scores, problem.labels)

    difference = (probabilities - problem.correct_probabilities).abs().sum().item()
    assert difference == pytest.approx(2.9173411603133914e-08, rel=0, abs=1e-15)
    assert abs(trace.loss.item() - 1.30378789133) < 2e-13
    assert (trace.z2 > 0).any()
    assert (trace.z2 < 0).any()


def test_central_differences_agree_to_the_printed_digits():
    errors = gradient_check()

    assert f"{errors['w2']:.6e}" == "3.440708e-09"
    assert f"{errors['w1']:.6e}" == "3.561318e-09"
    assert errors["b1"] < 5e-9
    assert errors["b2"] < 5e-9


def test_training():
    problem = toy.toy_problem()
    before = [tensor.clone() for tensor in problem.parameters]
    trained, losses = two_layer.train(
        problem.parameters, problem.inputs, problem.labels, batches=problem.batches(),
        learning_rate=0.1, decay=0.95, decay_every=1, regularization=5e-6,
    )  # fmt: skip

    assert len(losses) == 100
    assert losses[0] == pytest.approx(1.2419938024915662, rel=0, abs=1e-14)
    assert losses[-1] == pytest.approx(0.0171496079387321, rel=0, abs=1e-14)
    assert all((tensor == copy).all() for tensor, copy in zip(problem.parameters, before, strict=True))
    assert (trained.w1 != problem.parameters.w1).any()


def test_every_number_of_the_table_is_met():
    figures, losses = toy_figures()

    assert [figure.name for figure in figures if not figure.held] == []
    assert len(figures) == 10
    assert sum(figure.prints_the_same for figure in figures) >= 5
    assert len(losses) == 100


def test_a_wrong_gradient_misses_a_number(monkeypatch):
    right = two_layer.loss_and_gradients

    def wrong(*problem):
        loss, gradients = right(*problem)
        return loss, gradients._replace(w2=gradients.w2 * (1 + 1e-8))

    monkeypatch.setattr(two_layer, "loss_and_gradients", wrong)
    assert "W2, maximum relative error" in [figure.name for figure in toy_figures()[0] if not figure.held]


def test_a_halved_penalty_misses_gradients_and_training():
    with planted("penalty gradient halved"):
        missed = [figure.name for figure in toy_figures()[0] if not figure.held]

    assert {"W1, maximum relative error", "W2, maximum relative error", "toy training, last loss"} <= set(missed)
