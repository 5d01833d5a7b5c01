"""``check.layer``: one forward and one backward function, with a drawn upstream gradient."""

import inspect
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.check import told
from cifar_mlp.parity.check.any_function import check_function
from cifar_mlp.parity.check.calling import guarded
from cifar_mlp.parity.check.forms import as_tensor, like
from cifar_mlp.parity.check.slips import through_activation
from cifar_mlp.parity.check.tape import ACTIVATIONS
from cifar_mlp.parity.check.told import Report
from cifar_mlp.parity.faults import FAULTS


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
    names = [_name(i, places) for i in places]
    drawn = {name: _draw(arguments[i], generator) for name, i in zip(names, places, strict=True)}
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
        result = forward(*given)
        y, cache = _output(result)
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
    if report.verdict == told.WRONG and report.tensors:
        mine = guarded(function, drawn)[1]
        report.causes = list(_planted(mine, full(drawn), upstream[0])) or report.causes
        if len(drawn) == 1:
            (given,), (answered,) = drawn.values(), mine.values()
            words = _of_an_activation(as_tensor(answered), as_tensor(given), y, upstream[0])
            report.causes = [words] if words else report.causes
        upstream[0] = torch.ones_like(upstream[0])
        if not any(tensor.right for tensor in report.tensors) and all(
            torch.allclose(as_tensor(value), as_tensor(mine[name]), rtol=1e-9, atol=1e-12)
            for name, value in guarded(function, drawn)[1].items()
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
    if isinstance(found, dict):
        found = list(found.values())
    found = list(found) if isinstance(found, tuple | list) else [found]
    if len(found) > len(names) and len(found) > max(places):
        found = [found[i] for i in places]
    return {name: value for name, value in zip(names, found, strict=False) if value is not None}


def _name(place: int, places: list[int]) -> str:
    order = places.index(place)
    return ("x", "w", "b")[order] if len(places) <= 3 else f"argument {place + 1}"


def _is_float_array(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.is_floating_point()
    return getattr(getattr(value, "dtype", None), "kind", "") == "f" and value.ndim > 0


def _draw(value: Any, generator: torch.Generator) -> Any:
    """Drawn numbers of the same shape and kind."""
    return like(torch.randn(as_tensor(value).shape, generator=generator, dtype=torch.float64), value)


def _of_an_activation(mine: Tensor, x: Tensor, y: Tensor, dy: Tensor) -> str:
    """The mistake in an activation's derivative that gives exactly this gradient."""
    for name, (forward, _) in ACTIVATIONS.items():
        if y.shape != x.shape or not torch.allclose(forward(x), y, rtol=1e-9, atol=1e-12):
            continue
        tape: Any = SimpleNamespace(u=[x], a=[y], xhat=[None], architecture=SimpleNamespace(activation=name),
                                    drawn=SimpleNamespace(kept=[]))  # fmt: skip
        for step in through_activation(tape, 0, dy, dy):
            if step.words and torch.allclose(step.value, mine, rtol=1e-9, atol=1e-12):
                return step.words.replace("z1", "x").replace("a1", "y")
    return ""


def _planted(found: dict[str, Any], arguments: list[Any], dy: Tensor) -> Iterator[str]:
    """The planted faults of :mod:`cifar_mlp.parity.layers` that give exactly these gradients."""
    mine = [as_tensor(value) for value in found.values()]
    given = [as_tensor(value) for value in arguments if _is_float_array(value)]
    for name, fault in FAULTS.items():
        if not fault.function.endswith(("backward", "backward_input", "backward_parameters")):
            continue
        try:
            right = getattr(layers, fault.function)
            inputs = {"affine_backward_input": given[1:2], "affine_backward_parameters": given[:1]}.get(
                fault.function, given[:1]
            )
            result = fault.wrong(right, dy, *inputs)
            expected = right(dy, *inputs)
        except (TypeError, RuntimeError, IndexError, ValueError):
            continue
        result = result if isinstance(result, tuple) else (result,)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for value, good in zip(result, expected, strict=False):
            differs = value.shape == good.shape and not torch.allclose(value, good, rtol=1e-9)
            if differs and any(
                m.shape == value.shape and torch.allclose(m, value, rtol=1e-9, atol=1e-12) for m in mine
            ):
                yield f"exactly what this fault gives: {name}"
                return
