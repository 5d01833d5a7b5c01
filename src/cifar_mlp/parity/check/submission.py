"""A backward pass in somebody's file: loaded, given problems of the asked sizes in the form that it takes, checked."""

import contextlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.functional import one_hot

from cifar_mlp.parity.check.bias_in_weight import apart
from cifar_mlp.parity.check.calling import LAMBDA, SignatureError, SubmissionError, guarded
from cifar_mlp.parity.check.check_network import NetworkCheck, Question
from cifar_mlp.parity.check.entry import gradients
from cifar_mlp.parity.check.layout import ChainError, Layout
from cifar_mlp.parity.check.loss_variants import Convention
from cifar_mlp.parity.check.report import Report
from cifar_mlp.parity.check.structures import as_tensor, like
from cifar_mlp.parity.check.user_function import UserFunction
from cifar_mlp.parity.check.usual_forms import usual_forms

CONSTRUCTOR = {
    r"input_?(size|dim|features)?|n_?in|d_?in|in_?(features|dim)|num_features|d": lambda sizes: sizes[0],
    r"hidden_?(size|dim|units)?|n_?hidden|d_?hidden|h": lambda sizes: sizes[1],
    r"hidden_?(dims|sizes|layers|units_list)": lambda sizes: list(sizes[1:-1]),
    r"output_?(size|dim|features)?|n_?out|d_?out|out_?(features|dim)|(num|n)_?classes|c": lambda sizes: sizes[-1],
    r"(layer_?)?(sizes|dims)|layers|widths": lambda sizes: list(sizes),
    r"dtype": lambda sizes: float,
}


class UnusableError(ValueError):
    """The file cannot be checked at all; the message is one line."""


def parse_widths(text: str) -> tuple[list[int], int]:
    """Read ``D-H-...-C:N`` into the widths of all layers and the number of examples.

    Raises:
        ValueError: For anything else, or equal numbers outside the hidden layers, which hide a transposition.
    """
    match = re.fullmatch(r"(\d+(?:-\d+)+):(\d+)", text)
    if match is None:
        raise ValueError(f"--sizes: {text!r} is not D-H-C:N, the widths of all layers and the examples: 11-8-5:57")
    *widths, examples = [int(number) for number in (*match[1].split("-"), match[2])]
    numbers = [widths[0], widths[-1], examples, *set(widths[1:-1])]
    if min(numbers) < 2 or len(set(numbers)) < len(numbers):
        raise ValueError(f"--sizes: {text!r} must have different numbers of at least 2 (hidden layers may be equal); "
                         "equal ones hide a mistake")  # fmt: skip
    return widths, examples


def check_file(path: Path, name: str, sizes: str, regularization: float = 0.05, **options: Any) -> Report:
    """Run a file and check the function or class ``name`` in it on drawn problems.

    Args:
        path: A Python file; it is executed.
        name: Of a function as ``check.gradients`` takes it, or of a class with ``params`` and ``loss(X, y, reg)``.
        sizes: ``D-H-...-C:N``.
        regularization: lambda.
        options: Of :func:`cifar_mlp.parity.check.gradients`.

    Raises:
        UnusableError: If there is no such file or function, or it takes other arguments.
        ValueError: For a bad option.
    """
    widths, examples = parse_widths(sizes)
    found = getattr(_load(path), name, None)
    if found is None:
        raise UnusableError(f"{path}: no function or class named {name}")
    where = f"{path}:{_line(found)}"
    if isinstance(found, type):
        found = _constructed(found, widths, regularization, where)
    if isinstance(found, nn.Module) or not (callable(found) or hasattr(found, "params")):
        raise UnusableError(f"{where}: {name} is no function and has no params and loss(X, y, reg)")
    mapping = None
    if hasattr(found, "params") and hasattr(found, "loss"):
        mapping = dict(found.params)
    form = _form(found, mapping, widths, examples, regularization, options, where)
    tree, inputs, labels = form
    if mapping is not None:
        return gradients(found, inputs, labels, regularization, **options)
    return gradients(found, tree, inputs, labels, regularization, **options)


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise UnusableError(f"{path}: no such file")
    specification = importlib.util.spec_from_file_location(f"submission_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise UnusableError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        guarded(specification.loader.exec_module, module)
    except SubmissionError as error:
        cause = error.__cause__
        if isinstance(cause, SyntaxError) and cause.filename == str(path):
            line = (cause.text or "").strip()
            raise UnusableError(f"{path}:{cause.lineno}: {type(cause).__name__}: {cause.msg}: {line}") from error
        raise UnusableError(f"{path}: when loaded, {error}") from error
    return module


def _constructed(kind: type, widths: list[int], regularization: float, where: str) -> Any:
    """An object with these widths, by the names of its constructor's arguments."""
    if issubclass(kind, nn.Module):
        return kind
    values = {}
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        known = (value for pattern, value in CONSTRUCTOR.items() if re.fullmatch(pattern, parameter.name.lower()))
        if (value := next(known, None)) is not None:
            values[parameter.name] = value(widths)
        elif re.fullmatch(LAMBDA, parameter.name.lower()):
            values[parameter.name] = regularization
        elif parameter.default is parameter.empty:
            raise UnusableError(f"{where}: {kind.__name__} needs {parameter.name}, which is no size that is known here")
    try:
        return guarded(kind, **values)
    except SubmissionError as error:
        raise UnusableError(f"{where}: {kind.__name__}({', '.join(values)}): {error}") from error


def _form(found: Any, mapping: Any, widths: list[int], examples: int, regularization: float,
          options: dict[str, Any], where: str) -> tuple[Any, Any, Any]:  # fmt: skip
    """The first usual form of the arguments that the function answers with gradients of the parameters' shapes.

    If it answers none so, the first that it answers at all; if none, the likeliest, whose error the check reports.
    """
    dropout = options.get("dropout", 0.0)
    first = answered = None
    unfit: Exception | None = None
    raised = list[Exception]()
    for form in usual_forms(found, mapping, widths, examples, bool(options.get("normalization"))):
        first = first or form
        if mapping is not None:
            return form
        try:
            subject = _subject(found, form, regularization)
            answer = subject(subject.layout.draw(1, None, dropout))
        except SignatureError as error:
            unfit = error
            continue
        except (SubmissionError, ValueError) as error:
            raised.append(error)
            continue
        answered = answered or form
        if not subject.misshapen(answer):
            return _with_known_loss(found, form, widths[-1], regularization, options)
    if answered is None and raised and _is_of_another_form(raised[0]):
        unfit = ValueError(f"{raised[0]}; with weights for {'-'.join(map(str, widths))}: are --sizes right?")
    if unfit is not None and answered is None:
        raise UnusableError(f"{where}: {unfit}")
    assert first is not None
    return answered or first


def _with_known_loss(
    found: Any, form: tuple[Any, Any, Any], classes: int, regularization: float, options: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """The form with one-hot labels where a function takes these too and its loss is known with them alone: y log p."""
    tree, inputs, labels = form
    forms = [form]
    if labels.ndim == 1:
        hot = like(one_hot(as_tensor(labels).long(), classes).double(), inputs)
        forms.append((tree, inputs, hot if inputs.shape[0] == len(labels) else hot.T))
    for one in forms:
        question = Question(Convention(), None, options.get("normalization"), options.get("dropout", 0.0))
        with contextlib.suppress(SubmissionError, ValueError):
            if NetworkCheck(_subject(found, one, regularization), question).knows():
                return one
    return form


def _subject(found: Any, form: tuple[Any, Any, Any], regularization: float) -> UserFunction:
    tree, inputs, labels = form
    try:
        return UserFunction(found, Layout(*form), regularization)
    except ChainError:
        for _, function, parts in apart(found, tree, inputs):
            return UserFunction(function, Layout(parts, inputs, labels), regularization)
        raise


def _is_of_another_form(error: Exception) -> bool:
    """Whether a function failed to find its parameters in what it was given, which accuses nobody."""
    cause = error.__cause__
    return isinstance(cause, KeyError | IndexError | AttributeError) or "unpack" in str(cause)


def _line(found: Callable[..., Any]) -> int:
    try:
        return inspect.getsourcelines(found)[1]
    except (OSError, TypeError):
        return 1
