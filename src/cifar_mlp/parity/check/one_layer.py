"""``check.layer``: one forward and one backward function, with a drawn upstream gradient."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from cifar_mlp.parity import layers
from cifar_mlp.parity.check import told
from cifar_mlp.parity.check.any_function import check_function
from cifar_mlp.parity.check.calling import guarded
from cifar_mlp.parity.check.forms import as_tensor, like
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
    drawn = {f"d{i}" if len(places) > 9 else _name(i, places): _draw(arguments[i], generator) for i in places}
    names = list(drawn)
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
        y, cache = (result[0], result[1:]) if isinstance(result, tuple) else (result, ())
        if not upstream:
            upstream.append(torch.randn(as_tensor(y).shape, generator=generator, dtype=torch.float64) + 0.1)
        loss = float((as_tensor(y) * upstream[0]).sum())
        dy = like(upstream[0], y)
        if backward is None:
            found = torch.autograd.grad(y, [given[i] for i in places], dy.detach(), allow_unused=True)
        else:
            found = _backward(backward, dy, cache, given)
        return loss, _by_name(found, names, places)

    report = check_function(function, drawn)
    if report.verdict == told.WRONG and report.tensors:
        report.causes = list(_planted(guarded(function, drawn)[1], full(drawn), upstream[0])) or report.causes
    return report


def _backward(backward: Callable[..., Any], dy: Any, cache: tuple[Any, ...], given: list[Any]) -> Any:
    if cache:
        return backward(dy, *cache)
    import inspect

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
    """Drawn numbers of the same shape and kind; positive where the given ones are."""
    given = as_tensor(value)
    drawn = torch.randn(given.shape, generator=generator, dtype=torch.float64)
    return like(drawn.abs() + 0.3 if bool((given > 0).all()) else drawn, value)


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
