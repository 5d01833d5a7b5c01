"""The report's numbers for the toy problem, and ours."""

from typing import NamedTuple

import torch
from torch import Tensor

from cifar_mlp.parity import layers, toy, two_layer
from cifar_mlp.parity.evidence import differences
from cifar_mlp.parity.evidence.cases import Case, toy_case
from cifar_mlp.parity.two_layer import Parameters

SMALLEST_DENOMINATOR = 1e-8


class ToyFigure(NamedTuple):
    """One number of the report."""

    name: str
    report: str  # as the report prints it
    ours: float
    rule: str  # required agreement; the last digits depend on the order of operations
    held: bool

    @property
    def prints_the_same(self) -> bool:
        """Whether ours, printed to as many digits, equals the report's."""
        mantissa = self.report.lower().partition("e")[0]
        digits = len(mantissa.replace(".", "").lstrip("0"))
        return float(f"{self.ours:.{digits - 1}e}") == float(self.report)


def toy_figures() -> tuple[list[ToyFigure], list[float]]:
    """Recompute every number, and the 100 losses of the toy training."""
    problem = toy.toy_problem()
    data = (problem.parameters, problem.inputs, problem.labels)
    scores = two_layer.forward(problem.parameters, problem.inputs)
    _, shifted = layers.softmax_cross_entropy_forward(scores, problem.labels)
    off, off_shifted = (
        float((p - problem.correct_probabilities).abs().sum()) for p in (_softmax_unshifted(scores), shifted)
    )
    loss, _ = two_layer.loss_and_gradients(*data, toy.REGULARIZATION)
    errors, errors_unshifted = gradient_check(), gradient_check(_loss_unshifted)
    _, losses = two_layer.train(*data, batches=problem.batches(), **toy.TRAINING)  # type: ignore[arg-type]
    softmax = "softmax(scores), sum of absolute differences, by exp(z) / sum exp(z)"
    figures = [
        _near(softmax, "2.9173411603133914e-08", off, 1e-15),
        _near("the same, second print, by our softmax", "2.9173411658645065e-08", off_shifted, 1e-15),
        _below("loss, difference", "1.7963408538435033e-13", abs(float(loss) - problem.correct_loss), 2e-13),
        _printed("W2, maximum relative error", "3.440708e-09", errors["w2"]),
        _below("b2, maximum relative error", "3.865070e-11", errors["b2"], 5e-9),
        _printed("W1, maximum relative error", "3.561318e-09", errors["w1"]),
        _below("b1, maximum relative error", "1.555470e-09", errors["b1"], 5e-9),
        _printed("the same, by exp(z) / sum exp(z)", "1.555470e-09", errors_unshifted["b1"]),
        _printed("toy training, loss at step 0", "1.241994", losses[0]),
        _near("toy training, last loss", "0.017149607938732048", losses[-1], 1e-14),
    ]
    return figures, losses


def gradient_check(loss: differences.Loss = differences.loss_of) -> dict[str, float]:
    """Largest |a - b| / max(1e-8, |a| + |b|) of each gradient, hand-derived against central differences of ``loss``."""
    case = toy_case()
    _, gradients = two_layer.loss_and_gradients(*case.problem)
    errors = {}
    for name, gradient in gradients._asdict().items():
        numerical = differences.every_entry(case, name, loss)
        size = (gradient.abs() + numerical.abs()).clamp(min=SMALLEST_DENOMINATOR)
        errors[name] = float(((gradient - numerical).abs() / size).max())
    return errors


def _softmax_unshifted(scores: Tensor) -> Tensor:
    """Softmax as the report writes it; the exponentials may overflow."""
    exponentials = scores.exp()
    return exponentials / exponentials.sum(1, keepdim=True)


def _loss_unshifted(case: Case, parameters: Parameters) -> float:
    probabilities = _softmax_unshifted(two_layer.forward(parameters, case.inputs))
    data_loss = -probabilities[torch.arange(len(case.labels)), case.labels].log().mean()
    return float(data_loss + layers.l2_penalty_forward(case.regularization, parameters.w1, parameters.w2))


def _near(name: str, report: str, ours: float, tolerance: float) -> ToyFigure:
    return ToyFigure(name, report, ours, f"to {tolerance:.0e}", abs(ours - float(report)) <= tolerance)


def _below(name: str, report: str, ours: float, limit: float) -> ToyFigure:
    return ToyFigure(name, report, ours, f"below {limit:.0e}", ours < limit)


def _printed(name: str, report: str, ours: float) -> ToyFigure:
    figure = ToyFigure(name, report, ours, "to the printed digits", True)
    return figure._replace(held=figure.prints_the_same)
