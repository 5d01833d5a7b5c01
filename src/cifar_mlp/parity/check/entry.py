"""``check.gradients``: from what a user has to the right kind of check."""

from typing import Any

import numpy as np
import torch
from torch import nn

from cifar_mlp.parity.check.bias_in_weight import apart
from cifar_mlp.parity.check.calling import SubmissionError, arguments_for
from cifar_mlp.parity.check.check_function import WRITTEN, check_function
from cifar_mlp.parity.check.check_network import NetworkCheck, Question
from cifar_mlp.parity.check.forward_pass import ACTIVATIONS
from cifar_mlp.parity.check.layout import ChainError, Layout
from cifar_mlp.parity.check.loss_variants import PENALTIES, Convention
from cifar_mlp.parity.check.report import Report
from cifar_mlp.parity.check.structures import as_tensor, leaves, like, rebuild
from cifar_mlp.parity.check.user_function import UserFunction, of_module, of_object
from cifar_mlp.parity.drawing import normal


def gradients(
    mine: Any,
    parameters: Any = None,
    inputs: Any = None,
    labels: Any = None,
    regularization: float = 0.05,
    *,
    penalty: str = "full",
    reduction: str = "mean",
    penalize_biases: bool = False,
    activation: str | None = None,
    normalization: str | None = None,
    dropout: float = 0.0,
    masks: Any = None,
    seed: int = 0,
) -> Report:
    """Check the gradients that ``mine`` returns, on drawn float64 problems; nothing that is passed in changes.

    Args:
        mine: ``mine(parameters, inputs, labels, regularization) -> (loss, gradients)``; or an object with ``.params``
            and ``.loss(X, y, reg)``; or an ``nn.Module`` whose ``.grad`` you filled (then pass inputs and
            labels next). Without inputs, any ``mine(parameters) -> (loss, gradients)``.
        parameters: Arrays in any structure, as ``mine`` takes them, or an ``nn.Module``. Their names, shapes and kinds
            count; their values only for a function without inputs.
        inputs: ``(N, D)``, or ``(D, N)`` with examples as columns.
        labels: ``(N,)`` integers or one-hot; with a mask of dropout, ``mine`` takes the masks after lambda.
        regularization: lambda.
        penalty: ``full`` for lambda ||w||^2, ``half`` for lambda/2 ||w||^2, or ``none``.
        reduction: Of the cross-entropy over the examples: ``mean`` or ``sum``.
        penalize_biases: Whether the penalty counts biases.
        activation: relu, leaky_relu, sigmoid, tanh, gelu, silu; found from the loss if not given.
        normalization: ``batch`` or ``layer``, for networks with gamma and beta; found if not given.
        dropout: Probability of dropping a hidden unit; ``mine`` then takes the masks.
        masks: The masks in the form that ``mine`` takes: a list or one array, booleans or 1/keep.
        seed: Of everything drawn.

    Raises:
        ValueError: For an option or a structure that cannot be read.
    """
    choices: dict[str, tuple[Any, list[Any]]] = {
        "penalty": (penalty, list(PENALTIES)),
        "reduction": (reduction, ["mean", "sum"]),
        "activation": (activation, [None, *ACTIVATIONS]),
        "normalization": (normalization, [None, "batch", "layer"]),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(str(a) for a in allowed if a)}, not {value!r}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), not {dropout}")
    convention = Convention(penalty, reduction, penalize_biases)
    holds_parameters = isinstance(mine, nn.Module) or (hasattr(mine, "params") and hasattr(mine, "loss"))
    if holds_parameters and not isinstance(parameters, dict | nn.Module | type(None)):  # the inputs come next
        regularization = regularization if labels is None else labels
        parameters, inputs, labels = None, parameters, inputs
    if isinstance(mine, nn.Module):
        if inputs is None or labels is None:
            raise ValueError("a module needs inputs and labels: check.gradients(module, inputs, labels)")
        layout = Layout(mine, inputs, labels, users_examples=len(inputs))
        function = UserFunction(of_module(mine, PENALTIES[penalty]), layout, regularization)
        question = Question(convention, activation, normalization, seed=seed, own=layout.read())
        return NetworkCheck(function, question).report()
    if holds_parameters:
        mine, parameters = of_object(mine), dict(mine.params)
    if not callable(mine):
        raise ValueError(
            f"mine must be a function, an object with .params and .loss, or a module, not {type(mine).__name__}"
        )
    if inputs is None:
        return check_function(mine, parameters)
    if labels is None:
        raise ValueError("labels must be given with inputs")
    inputs = np.asarray(inputs) if isinstance(inputs, list) else inputs
    question = Question(convention, activation, normalization, _dropout(dropout, masks), seed)
    try:
        given = Layout(parameters, inputs, labels, masks, _examples(inputs, labels))
    except ChainError as error:
        for note, of_both, tree in apart(mine, parameters, inputs):
            layout = Layout(tree, inputs, labels, masks, _examples(inputs, labels)).resized()
            one = NetworkCheck(UserFunction(of_both, layout, regularization), question)
            if one.knows():
                report = one.report()
                report.notes.append(note)
                return report
        return _by_its_own_loss(mine, parameters, inputs, labels, regularization, error)
    small = UserFunction(mine, given.resized(), regularization)
    raised = ""
    if small.layout is not given:
        try:
            small(small.layout.draw(1, None, question.dropout))
        except SubmissionError as error:
            raised = str(error)
    report = NetworkCheck(UserFunction(mine, given, regularization) if raised else small, question).report()
    if raised:
        report.notes.append(f"it works only with its own sizes: with {small.layout.sizes} {raised}")
    return report


def _by_its_own_loss(
    mine: Any, parameters: Any, inputs: Any, labels: Any, regularization: float, unread: ChainError
) -> Report:
    """Of a network that is no chain of matrices: drawn numbers in its own shapes, differences of its own loss."""
    generator = torch.Generator().manual_seed(1)

    def drawn(value: Any) -> Any:
        shape = as_tensor(value).shape
        return like(0.3 * normal(generator, *shape), value)

    by_role = {"inputs": drawn(inputs), "labels": labels, "regularization": regularization}

    def function(tree: Any) -> Any:
        positional, named = arguments_for(mine, tree, by_role)
        return mine(*positional, **named)

    report = check_function(function, rebuild(parameters, (as_tensor(drawn(value)) for _, value in leaves(parameters))))
    if not report.tensors and WRITTEN not in report.cause:  # it raised: what was passed may not fit
        raise ValueError(f"{unread}; with such numbers {report.cause}") from unread
    report.notes.append(f"{unread}: judged by differences of its own loss alone")
    return report


def _examples(inputs: Any, labels: Any) -> int:
    shape, y = np.shape(inputs), np.shape(labels)
    return shape[1] if len(shape) == 2 and shape[1] in y and shape[0] not in y else shape[0]


def _dropout(dropout: float, masks: Any) -> float:
    """The share of dropped units of the masks, where no probability is given."""
    if dropout or masks is None:
        return dropout
    largest = float(as_tensor(masks[0] if isinstance(masks, list | tuple) else masks).max())
    if largest > 1:
        return 1 - 1 / largest
    raise ValueError("dropout must be given with masks of 0 and 1: the probability of dropping a unit")
