"""Optimizers and schedules as plain JSON, so that a checkpoint is read without running its code."""

import functools
import inspect
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

import cifar_mlp.models.muon  # noqa: F401, the package's own optimizer needs no naming again
from cifar_mlp.models.schedules import watching

Recipe = dict[str, Any]
TRIED_STEPS = 1_000  # of PyTorch's schedules; somebody's own may be planned for fewer


def to_recipe(maker: Any) -> Recipe:
    """The recipe of a class, a partial of a class, or a recipe: ``{"class_path": ..., "init_args": {...}}``.

    Args:
        maker: As the command line or Python gives it: ``torch.optim.SGD``, ``functools.partial(SGD, lr=0.1)``, or
            a recipe.

    Raises:
        ValueError: For anything else, such as a lambda, which a checkpoint could not hold.
    """
    if isinstance(maker, dict):
        return {"class_path": maker["class_path"], "init_args": dict(maker.get("init_args", {}))}
    arguments: dict[str, Any] = {}
    if isinstance(maker, functools.partial):
        arguments = dict(maker.keywords)
        # jsonargparse makes partial(instantiator, class, **init_args)
        maker = maker.args[0] if maker.args and not inspect.isclass(maker.func) else maker.func
    if not inspect.isclass(maker):
        raise ValueError(f"optimizer and lr_scheduler take a class or functools.partial(class, ...), not {maker!r}")
    maker, arguments = watching(maker, arguments)
    return {"class_path": f"{maker.__module__}.{maker.__qualname__}", "init_args": _jsonable(arguments)}


def from_recipe(recipe: Recipe) -> functools.partial[Any]:
    """The callable that a recipe describes; it still needs the parameters or the optimizer.

    Raises:
        ValueError: If the recipe names neither an optimizer nor a schedule, or one that is not imported.
    """
    # A checkpoint is data: it may choose among optimizers and schedules, not import or call what it likes.
    made = _imported(recipe)
    if made is None:
        raise ValueError(f"{recipe['class_path']} is not imported: import it first, or name it on the command line")
    if not (inspect.isclass(made) and (issubclass(made, Optimizer) or hasattr(made, "get_last_lr"))):
        raise ValueError(f"{recipe['class_path']} is neither an optimizer nor a learning-rate schedule")
    return functools.partial(made, **recipe["init_args"])


def is_imported(recipe: Recipe | None) -> bool:
    """Whether the class that a recipe names is there."""
    return recipe is None or _imported(recipe) is not None


def _imported(recipe: Recipe) -> Any:
    module, _, name = recipe["class_path"].rpartition(".")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def try_out(optimizer: Recipe, schedule: Recipe | None, parameters: Iterable[Tensor]) -> None:
    """Create both once, so that settings which PyTorch rejects, or should, are reported before any work.

    Args:
        optimizer: The optimizer's recipe.
        schedule: The schedule's recipe, or ``None``.
        parameters: The parameters to optimize; not changed.

    Raises:
        ValueError: Naming the option, the class, and what PyTorch says or which learning rate is negative.
    """
    option, recipe = "optimizer", optimizer
    try:
        made: Any = from_recipe(optimizer)(parameters)
        if schedule is not None:
            option, recipe = "lr_scheduler", schedule
            advance = from_recipe(with_total_steps(schedule, TRIED_STEPS))(made).step
            _refuse_negative_rate(made)
            made._opt_called = True  # a schedule warns where the optimizer has not stepped yet
            for _ in range(TRIED_STEPS if schedule["class_path"].startswith("torch.") else 1):
                with suppress(ValueError, TypeError):  # it is over; in want of a metric
                    advance()
                _refuse_negative_rate(made)
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"{option} {recipe['class_path']}: {error}") from error


def _refuse_negative_rate(optimizer: Optimizer) -> None:
    """PyTorch checks the optimizer's own rate alone; with a schedule's negative one, training climbs."""
    lowest = min(float(group.get("lr", 0)) for group in optimizer.param_groups)
    if lowest < 0:
        raise ValueError(f"the learning rate becomes {lowest:.3g}; give the schedule settings that keep it positive")


def fused(recipe: Recipe) -> Recipe:
    """The same optimizer with PyTorch's fused step where it has one, unless the user chose otherwise."""
    optimizer = from_recipe(recipe)
    chosen = any(recipe["init_args"].get(name) is not None for name in ("fused", "foreach"))
    if chosen or "fused" not in inspect.signature(optimizer).parameters:
        return recipe
    return {**recipe, "init_args": {**recipe["init_args"], "fused": True}}


def needs_total_steps(schedule: Recipe) -> bool:
    """Whether a schedule, such as ``OneCycleLR``, plans for a number of steps that is not given."""
    given = schedule["init_args"]
    parameters = inspect.signature(from_recipe(schedule).func).parameters
    named = any(given.get(name) is not None for name in ("total_steps", "epochs"))
    return "total_steps" in parameters and parameters["total_steps"].default is None and not named


def with_total_steps(schedule: Recipe, total: int) -> Recipe:
    """The same schedule for so many steps, unless it has a number of its own."""
    if not needs_total_steps(schedule):
        return schedule
    return {**schedule, "init_args": {**schedule["init_args"], "total_steps": total}}


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(entry) for entry in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{value!r} cannot be kept in a checkpoint as plain JSON")
