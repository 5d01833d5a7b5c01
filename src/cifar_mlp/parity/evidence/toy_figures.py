"""The report's figures of the toy problem beside ours."""

from typing import NamedTuple

import torch

from cifar_mlp.parity import layers, toy, two_layer
from cifar_mlp.parity.evidence import differences
from cifar_mlp.parity.evidence.cases import toy_case

SMALLEST_DENOMINATOR = 1e-8


class ToyFigure(NamedTuple):
    """One figure of the report."""

    name: str
    report: str
    """As the report, or our check of it on the same inputs, prints it."""
    ours: float
    rule: str
    held: bool


def toy_figures() -> tuple[list[ToyFigure], list[float]]:
    """Recompute every figure, and the 100 losses of the toy training."""
    problem = toy.toy_problem()
    scores = two_layer.forward(problem.parameters, problem.inputs)
    _, probabilities = layers.softmax_cross_entropy_forward(scores, problem.labels)
    loss, _ = two_layer.loss_and_gradients(problem.parameters, problem.inputs, problem.labels, toy.REGULARIZATION)
    errors = gradient_check()
    _, losses = two_layer.train(
        problem.parameters,
        problem.inputs,
        problem.labels,
        batches=problem.batches(),
        **toy.TRAINING,  # type: ignore[arg-type]
    )
    figures = [
        _near(
            "softmax(scores), sum of absolute differences",
            2.9173411603133914e-08,
            float((probabilities - problem.correct_probabilities).abs().sum()),
            1e-15,
        ),
        _below("loss, difference", 1.7963408538435033e-13, abs(float(loss) - problem.correct_loss), 2e-13),
        _printed("W2, maximum relative error", "3.440708e-09", errors["w2"]),
        _printed("W1, maximum relative error", "3.561318e-09", errors["w1"]),
        _below("b2, maximum relative error", 3.865070e-11, errors["b2"], 5e-9),
        _below("b1, maximum relative error", 1.555470e-09, errors["b1"], 5e-9),
        _near("toy training, first loss", 1.2419938024915662, losses[0], 1e-14),
        _near("toy training, last loss", 0.0171496079387321, losses[-1], 1e-14),
    ]
    return figures, losses


def gradient_check() -> dict[str, float]:
    """Per parameter the largest |a - b| / max(1e-8, |a| + |b|) between by hand and central differences."""
    case = toy_case()
    problem = (case.parameters, case.inputs, case.labels, case.regularization)
    _, gradients = two_layer.loss_and_gradients(*problem)
    errors = {}
    for name, by_hand in gradients._asdict().items():
        numerical = differences.every_entry(case, name)
        floor = torch.tensor(SMALLEST_DENOMINATOR, dtype=torch.float64)
        relative = (by_hand - numerical).abs() / torch.maximum(by_hand.abs() + numerical.abs(), floor)
        errors[name] = float(relative.max())
    return errors


def _near(name: str, report: float, ours: float, tolerance: float) -> ToyFigure:
    return ToyFigure(name, repr(report), ours, f"to {tolerance:.0e}", abs(ours - report) <= tolerance)


def _below(name: str, report: float, ours: float, limit: float) -> ToyFigure:
    return ToyFigure(name, repr(report), ours, f"below {limit:.0e}", ours < limit)


def _printed(name: str, report: str, ours: float) -> ToyFigure:
    return ToyFigure(name, report, ours, "to the printed digits", f"{ours:.6e}" == report)
