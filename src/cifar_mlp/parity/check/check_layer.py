"""``check.layer``: one forward and one backward function, with a drawn upstream gradient."""

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.check import report as verdicts
from cifar_mlp.parity.check.calling import guarded, quietly
from cifar_mlp.parity.check.central_differences import quotients
from cifar_mlp.parity.check.check_function import check_function
from cifar_mlp.parity.check.forward_pass import ACTIVATIONS
from cifar_mlp.parity.check.loss_variants import EVERY_EPSILON
from cifar_mlp.parity.check.mistakes import through_activation
from cifar_mlp.parity.check.relations import combination, sum_words
from cifar_mlp.parity.check.report import Report
from cifar_mlp.parity.check.structures import as_tensor, like
from cifar_mlp.parity.faults import FAULTS, planted
from cifar_mlp.parity.network import EPSILON


def layer(forward: Any, backward: Any, *arguments: Any) -> Report:
    """Check one layer; the upstream gradient and all float arguments are drawn.

    Args:
        forward: ``forward(*arguments) -> y`` or ``(y, cache)``; or a ``torch.autograd.Function``, then the first
            argument follows at once: ``check.layer(MyFunction, x, w, b)``.
        backward: ``backward(dy, cache)``, ``backward(dy, *arguments)`` or ``backward(dy)``; one gradient per array
            among the arguments, ``None`` for one that needs none.
        arguments: Arrays and other values; integer arrays and other values stay as they are.

    Raises:
        ValueError: If no argument is a float array.
    """
    if isinstance(forward, type) and issubclass(forward, torch.autograd.Function):
        arguments = arguments if backward is None else (backward, *arguments)
        return _check(forward.apply, None, arguments)
    if not callable(forward) or not callable(backward):
        raise ValueError("forward and backward must be functions")
    return _check(forward, backward, arguments)


def _check(forward: Callable[..., Any], backward: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> Report:
    generator = torch.Generator().manual_seed(1)
    places = [i for i, argument in enumerate(arguments) if _is_float_array(argument)]
    if not places:
        raise ValueError("a layer needs at least one float array among its arguments")
    names = [("x", "w", "b")[i] if len(places) <= 3 else f"argument {place + 1}" for i, place in enumerate(places)]

    def drawn_like(value: Any) -> Any:
        return like(torch.randn(as_tensor(value).shape, generator=generator, dtype=torch.float64), value)

    drawn = {name: drawn_like(arguments[i]) for name, i in zip(names, places, strict=True)}
    upstream: list[Tensor] = []

    def full(values: dict[str, Any]) -> list[Any]:
        new = list(arguments)
        for name, place in zip(names, places, strict=True):
            new[place] = values[name]
        return new

    def function(values: dict[str, Any]) -> Any:
        given = full(values)
        if backward is None:
            given = [v.requires_grad_() if i in places else v for i, v in enumerate(given)]
        y, cache = _output(forward(*given))
        if not upstream:
            upstream.append(torch.randn(as_tensor(y).shape, generator=generator, dtype=torch.float64) + 0.1)
        loss = float((as_tensor(y) * upstream[0]).sum())
        dy = like(upstream[0], y)
        if backward is None:
            found = torch.autograd.grad(y, [given[i] for i in places], dy.detach(), allow_unused=True)
        else:
            found = _backward(backward, dy, cache, given)
        return loss, _by_name(found, names, places)

    y = as_tensor(_output(guarded(forward, *full(drawn)))[0])
    if not bool(torch.isfinite(y).all()):  # a logarithm, a root
        drawn = {name: like(as_tensor(value).abs() + 0.3, value) for name, value in drawn.items()}
    report = check_function(function, drawn)
    if report.verdict == verdicts.WRONG and report.tensors:
        answered = {name: as_tensor(value) for name, value in guarded(function, drawn)[1].items()}
        inputs = [as_tensor(value) for value in drawn.values()]
        given = (list(answered.values()), inputs, y, upstream[0])
        causes = _of_an_activation(*given) or _of_the_table(*given)
        report.causes = causes or _as_written(function, drawn, report, y, upstream[0]) or report.causes
        upstream[0] = torch.ones_like(upstream[0])
        again = guarded(function, drawn)[1]
        if not any(tensor.right for tensor in report.tensors) and all(
            _same(as_tensor(value), answered[name]) for name, value in again.items()
        ):
            report.causes = ["the upstream gradient is not used: the answer is the same with ones in its place"]
    return report


def _output(result: Any) -> tuple[Any, tuple[Any, ...]]:
    return (result[0], result[1:]) if isinstance(result, tuple) else (result, ())


def _backward(backward: Callable[..., Any], dy: Any, cache: tuple[Any, ...], given: list[Any]) -> Any:
    if cache:
        return backward(dy, *cache)
    count = len([p for p in inspect.signature(backward).parameters.values() if p.default is p.empty])
    return backward(dy) if count == 1 else backward(dy, *given)


def _by_name(found: Any, names: list[str], places: list[int]) -> dict[str, Any]:
    found = list(found.values()) if isinstance(found, dict) else found
    found = list(found) if isinstance(found, tuple | list) else [found]
    if len(found) > len(names) and len(found) > max(places):
        found = [found[i] for i in places]
    return {name: value for name, value in zip(names, found, strict=False) if value is not None}


def _is_float_array(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point()
    return getattr(getattr(value, "dtype", None), "kind", "") == "f" and value.ndim > 0


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-9, atol=1e-12)


def _of_an_activation(mine: list[Tensor], inputs: list[Tensor], y: Tensor, dy: Tensor) -> list[str]:
    """The mistake in an activation's derivative that gives exactly this gradient."""
    for name, (forward, backward) in ACTIVATIONS.items() if len(inputs) == 1 else ():
        (x,) = inputs
        if _same(forward(x), y):
            passed: Any = SimpleNamespace(u=[x], a=[y], xhat=lambda index: None, activation_backward=backward,
                                        architecture=SimpleNamespace(activation=name),
                                        drawn=SimpleNamespace(kept=[]), theirs=[], z=[])  # fmt: skip
            for step in through_activation(passed, 0, dy, dy):
                summed = combination(mine[0], step.terms, 1e-9) if step.terms else {}
                if summed or (step.words and _same(step.value, mine[0])):
                    words = step.of_terms(summed) if summed else step.words
                    return [re.sub(r"\ba\b", "y", re.sub(r"\bz\b", "x", words.replace("z1", "x").replace("a1", "y")))]
    return []


def _as_written(
    function: Callable[..., Any], drawn: dict[str, Any], report: Report, y: Tensor, dy: Tensor
) -> list[str]:
    """Each wrong gradient, and what it should be, as sums of what people write."""
    values = {name: as_tensor(value) for name, value in drawn.items()}
    answered = {name: as_tensor(value) for name, value in guarded(function, drawn)[1].items()}
    names = [tensor.name for tensor in report.tensors]

    def loss(point: list[Tensor]) -> float:
        moved = {name: like(value, drawn[name]) for name, value in zip(names, point, strict=True)}
        return float(guarded(function, moved)[0])

    point, mine = [values[name] for name in names], [answered[name] for name in names]
    said = []
    for tensor, x, g, own in zip(report.tensors, point, mine, quotients(loss, point, mine, False), strict=True):
        terms = _terms(x.shape, point[0], y, dy)
        if tensor.right or not terms or len(own.entries) < x.numel():
            continue
        found, right = (combination(value.reshape(-1), terms, close) for value, close in ((g, 1e-9), (own.value, 1e-7)))
        if found and right:
            said.append(f"{tensor.name}: it is written as {sum_words(found)}, and should be {sum_words(right)}")
    return said


def _terms(shape: torch.Size, x: Tensor, y: Tensor, dy: Tensor) -> dict[str, Tensor]:
    """Of the gradient in a tensor of this shape."""
    of = {"": torch.ones_like(y), "y": y, "exp(y)": y.exp()} | ({"x": x} if x.shape == y.shape else {})
    if y.dim() != 2 or shape not in (y.shape, y.shape[1:]):
        return {}
    if shape != y.shape:
        if x.shape == y.shape:
            of |= {"x [x <= 0]": x * (x <= 0), "x [x > 0]": x * (x > 0)}
            of |= {f"xhat of the {what}": layers.standardize_forward(x, dim, EPSILON)[0]
                   for dim, what in ((0, "examples"), (1, "features"))}  # fmt: skip
        return {f"sum(dy {words})".replace(" )", ")"): (dy * factor).sum(0) for words, factor in of.items()}
    terms = {words or "1": factor for words, factor in of.items()}
    terms |= {f"dy {words}".strip(): dy * factor for words, factor in of.items()}
    for (outer, one), (inner, other), (dim, what) in product(of.items(), of.items(), ((1, "row"), (0, "column"))):
        words = f"{outer} sum(dy {inner})".replace(" )", ")").strip()
        terms[f"{words} of the {what}"] = one * (dy * other).sum(dim, keepdim=True)
    return terms


def _of_the_table(mine: list[Tensor], inputs: list[Tensor], y: Tensor, dy: Tensor) -> list[str]:
    """The fault with which the right layer gives exactly these gradients."""
    for forward, backward in KNOWN:
        with quietly(), suppress(RuntimeError, TypeError, ValueError, IndexError):  # takes other arguments
            if not _same(forward(*inputs), y):
                continue
            wrong = {}
            for name in FAULTS:
                with planted(name):
                    wrong[name] = backward(dy, *inputs)
            for name, values in wrong.items():
                tensors = values if isinstance(values, tuple) else (values,)
                if len(tensors) == len(mine) and all(map(_same, tensors, mine)):
                    return [f"exactly what this fault gives: {name}"]
    return []


def _affine(dy: Tensor, x: Tensor, w: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
    return layers.affine_backward_input(dy, w), *layers.affine_backward_parameters(dy, x)[: 1 + len(bias)]


def _outward(dy: Tensor, x: Tensor, w: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
    dx, dw, *db = _affine(dy, x, w.T, *bias)
    return dx, dw.T, *db


def _normalized(dim: int, epsilon: float, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return layers.scale_shift_forward(layers.standardize_forward(x, dim, epsilon)[0], gamma, beta)


def _normalization(dim: int, epsilon: float, dy: Tensor, x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, ...]:
    xhat, r = layers.standardize_forward(x, dim, epsilon)
    dxhat, dgamma, dbeta = layers.scale_shift_backward(dy, xhat, gamma)
    return layers.standardize_backward(dxhat, xhat, r, dim), dgamma, dbeta


KNOWN: list[tuple[Callable[..., Tensor], Callable[..., Any]]] = [
    (lambda x, w, *b: x @ w + sum(b), _affine),
    (lambda x, w, *b: x @ w.T + sum(b), _outward),
    *((partial(_normalized, dim, eps), partial(_normalization, dim, eps))
      for dim, eps in product((0, 1), EVERY_EPSILON)),
]  # fmt: skip
