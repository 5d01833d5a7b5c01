"""The structures in which people pass a network's parameters, likeliest first, with the names that a function uses."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

USUAL = {"weight": "W{}", "bias": "b{}", "gamma": "gamma{}", "beta": "beta{}"}  # with the layer's number
BIASES = ("apart", "none", "in the weight")
PATTERNS = {"weight": r"ws?|weights?|theta", "bias": r"bs?|bias|biases", "gamma": r"gammas?", "beta": r"betas?"}


def usual_forms(
    found: Any, mapping: Any, widths: list[int], examples: int, normalized: bool
) -> Iterator[tuple[Any, Any, Any]]:
    """Parameters, inputs and labels of the asked sizes, zeros all: only their names, shapes and kinds count."""
    words = _words(found) if mapping is None else set()
    normalized = normalized or any(word.startswith("gamma") for word in words)
    likely = mapping is None and "torch" in words and "np" not in words
    for biases, of_torch, outward, columns, onehot, side in product(
        BIASES, (likely, not likely), (False, True), (False, True), (False, True), (None, 0, 1)
    ):
        if biases != "apart" and side is not None:
            continue
        kind = torch.from_numpy if of_torch else np.asarray
        inputs = kind(np.zeros((widths[0], examples) if columns else (examples, widths[0])))
        classes = np.arange(examples) % widths[-1]
        labels = kind(np.eye(widths[-1])[classes].T.copy() if columns else np.eye(widths[-1])[classes])
        labels = labels if onehot else kind(classes)
        if mapping is not None:
            yield mapping, inputs, labels
            return
        layers = []
        for index, (i, o) in enumerate(pairwise(widths)):
            row = (o,) if side is None else (1, o) if side == 0 else (o, 1)
            i += biases == "in the weight"
            shapes = {"weight": (o, i) if outward else (i, o)} | ({"bias": row} if biases == "apart" else {})
            if normalized and index + 2 < len(widths):
                shapes |= {"gamma": row, "beta": row}
            layers.append({part: kind(np.zeros(shape)) for part, shape in shapes.items()})
        for tree in _trees(layers, words):
            yield tree, inputs, labels


def _trees(layers: list[dict[str, Any]], words: set[str]) -> Iterator[Any]:
    names, base = _naming(words)
    parameters = {word for word in words if any(re.fullmatch(_pattern(part), word.lower()) for part in PATTERNS)}
    bare = len(layers) == 1 and not any(re.search(r"\d", word) for word in parameters)

    def flat(names: dict[str, str], base: int) -> dict[str, Any]:
        return {
            names[part].format("" if bare else index): value
            for index, layer in enumerate(layers, base)
            for part, value in layer.items()
        }

    yield flat(names, base)
    yield list(flat(names, base).values())
    yield SimpleNamespace(**flat(names, base))
    yield [tuple(layer.values()) for layer in layers]
    yield [{names[part].format(""): value for part, value in layer.items()} for layer in layers]
    yield {names[part].format(""): [layer[part] for layer in layers if part in layer] for part in layers[0]}
    yield flat(names, 1 - base)
    yield flat({part: name.lower() for part, name in USUAL.items()}, 1)


def _naming(words: set[str]) -> tuple[dict[str, str], int]:
    """Each part's name, with {} for the layer's number, and the first number: W{}, fc{}.weight."""
    names = dict(USUAL)
    numbers = []
    for part in PATTERNS:
        found = sorted(word for word in words if re.fullmatch(_pattern(part), word.lower()))
        if found:
            names[part] = re.sub(r"\d+|$", "{}", found[0], count=1)
        numbers += [int(number) for word in found for number in re.findall(r"\d+", word)]
    return names, min(1, *numbers) if len(numbers) > 1 else 1


def _pattern(part: str) -> str:
    """Of a parameter's name, in lower case: W1, fc1.weight."""
    return rf"({PATTERNS[part]})_?\d*|[a-z_.]+\d+[._]({PATTERNS[part]})"


def _words(function: Any) -> set[str]:
    """Arguments, string constants and attributes of a function's source; arguments alone where they name weights."""
    try:
        arguments = set(inspect.signature(function).parameters)
        nodes = _nodes(function, set())
    except (OSError, TypeError, ValueError, SyntaxError):
        return set()
    if any(re.fullmatch(r"(?i)w\d+|weights?\d+", name) for name in arguments):
        return arguments
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and node.id in ("torch", "np", "numpy"):
            found.add("np" if node.id == "numpy" else node.id)
    return found


def _nodes(function: Any, seen: set[Any]) -> list[ast.AST]:
    """The syntax of a function and of those in its file that it calls."""
    seen.add(function)
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    for node in list(nodes):
        called = getattr(function, "__globals__", {}).get(node.id) if isinstance(node, ast.Name) else None
        if inspect.isfunction(called) and called.__module__ == function.__module__ and called not in seen:
            nodes += _nodes(called, seen)
    return nodes
