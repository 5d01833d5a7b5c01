"""``check.gradients``: from what a user has to the right kind of check."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn

from cifar_mlp.parity.check import told
from cifar_mlp.parity.check.any_function import check_function
from cifar_mlp.parity.check.calling import SubmissionError
from cifar_mlp.parity.check.drawing import Layout
from cifar_mlp.parity.check.forms import as_tensor
from cifar_mlp.parity.check.guesses import PENALTIES, Convention
from cifar_mlp.parity.check.network_check import NetworkCheck
from cifar_mlp.parity.check.subject import Subject, of_module, of_object
from cifar_mlp.parity.check.tape import ACTIVATIONS
from cifar_mlp.parity.check.told import Report


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
    _check_options(penalty, reduction, activation, normalization, dropout)
    convention = Convention(penalty, reduction, penalize_biases)
    if isinstance(mine, nn.Module):
        return _module(mine, parameters, inputs, labels, regularization, convention, activation, normalization, seed)
    if hasattr(mine, "params") and hasattr(mine, "loss"):
        if not isinstance(parameters, dict) and parameters is not None:
            inputs, labels = parameters, inputs
        mine, parameters = of_object(mine), dict(mine.params)
    if not callable(mine):
        raise ValueError(
            f"mine must be a function, an object with .params and .loss, or a module, not {type(mine).__name__}"
        )
    if inputs is None:
        return check_function(mine, parameters)
    if labels is None:
        raise ValueError("labels must be given with inputs")
    given = Layout(parameters, inputs, labels, users_examples=_examples(inputs, labels))
    dropout = _dropout(dropout, masks)
    return _drawn_or_given(mine, given, regularization, convention, activation, normalization, dropout, masks, seed)


def _drawn_or_given(
    mine: Callable[..., Any],
    given: Layout,
    regularization: float,
    convention: Convention,
    activation: str | None,
    normalization: str | None,
    dropout: float,
    masks: Any,
    seed: int,
) -> Report:
    one_mask, scale = _mask_form(masks, given)
    found = None
    for layout in (given.resized(), given):
        subject = Subject(mine, layout, regularization, scale, one_mask)
        raised = _trial(subject, dropout)
        if raised and layout is not given:
            found = raised
            continue
        report = NetworkCheck(subject, convention, activation, normalization, dropout, seed=seed).report()
        if found and not raised and report.verdict == told.RIGHT:
            report.notes.append(f"it works only with its own sizes: with {given.resized().sizes} {found}")
        return report
    raise AssertionError("one of the layouts is the given one")


def _trial(subject: Subject, dropout: float) -> str:
    try:
        subject(subject.layout.draw(1, None, dropout))
    except SubmissionError as error:
        return str(error)
    return ""


def _module(module: nn.Module, *given: Any) -> Report:
    first, second, third, regularization, convention, activation, normalization, seed = given
    inputs, labels = (first, second) if third is None else (second, third)
    if inputs is None or labels is None:
        raise ValueError("a module needs inputs and labels: check.gradients(module, inputs, labels)")
    function = of_module(module, inputs, labels, PENALTIES[convention.penalty])
    layout = Layout(module, inputs, labels, users_examples=len(inputs))
    check = NetworkCheck(Subject(function, layout, regularization), convention, activation, normalization, 0.0,
                         own=layout.read(), seed=seed)  # fmt: skip
    return check.report()


def _check_options(
    penalty: str, reduction: str, activation: str | None, normalization: str | None, dropout: float
) -> None:
    choices: list[tuple[str, Any, Sequence[Any]]] = [
        ("penalty", penalty, list(PENALTIES)),
        ("reduction", reduction, ["mean", "sum"]),
        ("activation", activation, [None, *ACTIVATIONS]),
        ("normalization", normalization, [None, "batch", "layer"]),
    ]
    for name, value, allowed in choices:
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(str(a) for a in allowed if a)}, not {value!r}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), not {dropout}")


def _examples(inputs: Any, labels: Any) -> int:
    shape, y = np.shape(inputs), np.shape(labels)
    return shape[1] if len(shape) == 2 and shape[1] in y and shape[0] not in y else shape[0]


def _dropout(dropout: float, masks: Any) -> float:
    """The share of dropped units of the masks, where no probability is given."""
    if dropout or masks is None:
        return dropout
    values = as_tensor(masks if not isinstance(masks, list | tuple) else masks[0])
    kept = values[values != 0]
    if len(kept) and float(kept.max()) > 1:
        return 1 - 1 / float(kept.max())
    raise ValueError("dropout must be given with masks of 0 and 1: the probability of dropping a unit")


def _mask_form(masks: Any, layout: Layout) -> tuple[bool, float]:
    if masks is None:
        return False, 1.0
    one = not isinstance(masks, list | tuple)
    values = as_tensor(masks if one else masks[0])
    return one, float(values.max()) if float(values.max()) > 1 else 1.0
