"""Arrays in any structure: as named float64 tensors, and back in the user's own form."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

TRANSPOSED = "it is transposed"


def leaves(tree: Any, name: str = "") -> list[tuple[str, Any]]:
    """Every array of a structure with its path, e.g. ``layer1.W``; arrays stay as they are."""
    if tree is None:
        return []
    if isinstance(tree, nn.Module):
        return list(tree.named_parameters())
    if (parts := _parts(tree)) is None:
        return [(name, tree)]
    return [leaf for key, part in parts for leaf in leaves(part, f"{name}.{key}" if name else str(key))]


def rebuild(tree: Any, values: Iterator[Tensor]) -> Any:
    """The same structure with copies of other values, each in the form of the array it replaces."""
    if tree is None:
        return None
    if isinstance(tree, nn.Module):
        return _filled(copy.deepcopy(tree).double(), values)
    if (parts := _parts(tree)) is None:
        return like(next(values), tree)
    new = [(key, rebuild(part, values)) for key, part in parts]
    if isinstance(tree, Mapping):
        return dict(new) if type(tree) is dict else type(tree)(new)  # type: ignore[call-arg]
    if hasattr(tree, "_fields"):
        return type(tree)(*(part for _, part in new))
    if isinstance(tree, Sequence):
        return type(tree)(part for _, part in new)  # type: ignore[call-arg]
    changed = copy.copy(tree)
    vars(changed).update(new)
    return changed


def like(value: Tensor, template: Any) -> Any:
    """A float64 copy in the template's kind: tensor, NumPy array or number."""
    if isinstance(template, Tensor):
        dtype = torch.float64 if template.device.type != "mps" else torch.float32
        made = value.detach().clone().to(template.device, dtype)
        made = made.requires_grad_(template.requires_grad)
        return nn.Parameter(made) if isinstance(template, nn.Parameter) else made
    return value.detach().numpy().copy() if isinstance(template, np.ndarray) else float(value)


def as_tensor(value: Any) -> Tensor:
    """A float64 copy on the CPU.

    Raises:
        ValueError: If it is no array of numbers.
    """
    try:
        if isinstance(value, Tensor):
            return value.detach().to("cpu", torch.float64, copy=True)
        return torch.from_numpy(np.array(value, dtype=np.float64))
    except (TypeError, ValueError):
        raise ValueError(f"{type(value).__name__} is no array of numbers") from None


def is_single(value: Any) -> bool:
    """Whether the numbers are no finer than float32."""
    dtype = value.dtype if isinstance(value, Tensor | np.ndarray | np.generic) else np.float64
    if dtype in (torch.float32, torch.float16, torch.bfloat16, np.float32, np.float16):
        return True
    numbers = as_tensor(value)
    return bool(numbers.count_nonzero()) and torch.equal(numbers.float().double(), numbers) and numbers.numel() > 3


def has_names(found: list[tuple[str, Any]]) -> bool:
    """Whether arrays have names, not only places in a list."""
    return any(re.search("[a-zA-Z]", name) for name, _ in found)


def match(found: list[tuple[str, Any]], names: Sequence[str], shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """Which returned array belongs to which parameter: by name, then by shape, size and order."""
    taken: dict[str, int] = {}
    given = [np.shape(as_tensor(value)) for _, value in found]
    if has_names(found):
        rules = [
            lambda i, j: found[j][0] == names[i],
            lambda i, j: _canonical(found[j][0]) == _canonical(names[i]),
        ]
    else:
        alike, ranks = 2 * sum(map(_alike, given, shapes)), [[len(s) for s in every] for every in (given, shapes)]
        in_order = len(given) == len(names) and alike >= len(names) + (ranks[0] != ranks[1])
        rules = [
            lambda i, j: in_order and i == j,
            lambda i, j: given[j] == tuple(shapes[i]),
            lambda i, j: _alike(given[j], shapes[i]),
            lambda i, j: len(given) == len(names),
        ]
    for rule in rules:
        for i, name in enumerate(names):
            free = [j for j in range(len(found)) if j not in taken.values()]
            fits = [j for j in free if name not in taken and rule(i, j)]
            if fits:
                taken[name] = fits[0]
    return taken


def shape_words(given: tuple[int, ...], shape: tuple[int, ...], examples: int = 0) -> str:
    """What may have led to a gradient of another shape than its parameter's."""
    if given == shape[::-1] and len(shape) > 1:
        return TRANSPOSED
    if [s for s in given if s > 1] == [s for s in shape if s > 1]:
        return f"a dimension of 1 is {'kept' if len(given) > len(shape) else 'lost'} (keepdims)"
    if not given or set(given) == {1}:
        return "it is summed over everything, not over the examples alone"
    if examples in given and examples not in shape:
        return "it is not summed over the examples"
    if len(given) == len(shape) == 2 and min(given) > 1:
        return "a factor is of another layer"
    return "it is summed over the wrong axis" if len(given) == len(shape) else "it has the wrong dimensions"


def _parts(tree: Any) -> list[tuple[Any, Any]] | None:
    """The parts of a structure; nothing for an array or a number."""
    if isinstance(tree, Mapping):
        return list(tree.items())
    if hasattr(tree, "_fields"):
        return list(zip(tree._fields, tree, strict=True))
    if isinstance(tree, list | tuple):
        numbers = tree and all(isinstance(part, int | float) for part in tree)
        return None if numbers and isinstance(tree, tuple) else list(enumerate(tree))
    if isinstance(tree, Tensor | np.ndarray | np.generic | int | float | complex | str | bytes):
        return None
    return [(key, value) for key, value in vars(tree).items()] if hasattr(tree, "__dict__") else None


def _filled(module: nn.Module, values: Iterator[Tensor]) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(next(values))
            parameter.grad = None
    return module


def _alike(one: Sequence[int], other: Sequence[int]) -> bool:
    return sorted(s for s in one if s > 1) == sorted(s for s in other if s > 1)


def _canonical(path: str) -> str:
    """``dW1``, ``grad_w1``, ``W1_grad`` and ``dL_dW1`` are all ``w1``."""
    parts = [re.sub(r"[^a-z0-9]", "", _bare(part.lower())) for part in path.split(".")]
    return ".".join(re.sub(r"^weights?(?=\d|$)", "w", re.sub(r"^bias(es)?(?=\d|$)", "b", part)) for part in parts)


def _bare(part: str) -> str:
    part = re.sub(r"^(dl_?d|dj_?d|dloss_?d|gradients?_?|grads?_?|nabla_?|delta_?|d_|d|g_)(?=[a-z])", "", part)
    return re.sub(r"_?(gradients?|grads?)$", "", part) or part
