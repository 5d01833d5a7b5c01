"""A network's parameters in the user's layout, and problems drawn so that no mistake can hide.

All dimensions differ, no number is 0 or 1, and no unit is near its kink.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cifar_mlp.parity.check.forms import as_tensor, leaves, like, rebuild

# Shape legend: N = examples, I, O = input and output features of a layer

WIDTHS = (8, 7, 9, 6, 12, 10)  # of hidden layers, where the user's cannot be used
MARGIN = 2e-3  # least |z| of a unit; steps of differences move it by a twentieth of that
PARTS = ("weight", "bias", "gamma", "beta")


@dataclass
class Drawn:
    """One problem in float64: layer by layer, weights as (I, O)."""

    parameters: list[dict[str, Tensor]]
    inputs: Tensor  # (N, D)
    labels: Tensor  # (N,)
    kept: list[Tensor] = field(default_factory=list)  # a boolean mask (N, O) per hidden layer
    keep: float = 1.0  # 1 - dropout
    users_examples: int = 0  # N of the user's own batch

    def __post_init__(self) -> None:
        self.sizes = [len(self.parameters[0]["weight"]), *(part["weight"].shape[1] for part in self.parameters)]


@dataclass
class Layout:
    """Where a network's tensors are in the user's structure, and how its arrays lie."""

    tree: Any
    inputs: Any
    labels: Any
    users_examples: int = 0

    def __post_init__(self) -> None:
        self.paths = self.names = [name for name, _ in leaves(self.tree)]
        arrays = [as_tensor(value) for _, value in leaves(self.tree)]
        self.shapes = [tuple(array.shape) for array in arrays]
        roles = [_role(name, shape) for name, shape in zip(self.names, self.shapes, strict=True)]
        for i, role in enumerate(roles):  # nn.BatchNorm1d: a bias that follows a scale is its shift
            if role == "bias" and i and roles[i - 1] == "gamma" and re.search("bias", self.names[i]):
                roles[i] = "beta"
        self.layers = self._layers(roles)
        if not any(re.search("[A-Za-z]", path) for path in self.paths):  # a list: W1, b1, ... say more than 0, 1, ...
            letters = {"weight": "W", "bias": "b"}
            said = {
                i: f"{letters.get(part, part)}{n}"
                for n, layer in enumerate(self.layers, 1)
                for part, i in layer.items()
            }
            self.names = [said.get(i, path) for i, path in enumerate(self.paths)]
        weights = [self.shapes[layer["weight"]] for layer in self.layers]
        x = tuple(np.shape(self.inputs))
        self.transposed = self._transposed(weights, x)
        width = weights[0][1] if self.transposed else weights[0][0]
        rows = int(np.prod(x[1:])) == width
        column_bias = any("bias" in layer and self.shapes[layer["bias"]][1:] == (1,) for layer in self.layers)
        self.columns = len(x) == 2 and x[0] == width and (not rows or column_bias)
        if not rows and not self.columns:
            raise ValueError(f"inputs of shape {x} do not fit the first weight, of shape {weights[0]}")
        outs = [w[0] if self.transposed else w[1] for w in weights]
        self.sizes = [width, *outs]
        self.examples = x[1] if self.columns else x[0]
        y = tuple(np.shape(self.labels))
        self.onehot = len(y) == 2 and outs[-1] in y and outs[-1] > 1 and min(y) > 1

    def _layers(self, roles: list[str]) -> list[dict[str, int]]:
        layers: list[dict[str, int]] = []
        by_role = {part: [i for i, role in enumerate(roles) if role == part] for part in PARTS}
        if not by_role["weight"]:
            raise ValueError("parameters hold no matrix of weights")
        for part in PARTS:
            by_role[part].sort(key=lambda i: [int(n) for n in re.findall(r"\d+", self.names[i])])
        layers = [{"weight": i} for i in by_role["weight"]]
        for part in PARTS[1:]:
            for layer, i in zip(layers, by_role[part], strict=False):
                layer[part] = i
        return layers

    def _transposed(self, weights: list[tuple[int, ...]], x: tuple[int, ...]) -> bool:
        pairs = list(itertools.pairwise(weights))
        forward, backward = all(a[1] == b[0] for a, b in pairs), all(a[0] == b[1] for a, b in pairs)
        if not forward and not backward:
            raise ValueError(f"the weights' shapes {weights} do not follow one another")
        if forward and backward:
            biases = [max(self.shapes[layer["bias"]]) for layer in self.layers if "bias" in layer]
            outs = [[w[1 - t] for w in weights] for t in (0, 1)]
            if biases and (biases == outs[0]) != (biases == outs[1]):
                return biases == outs[1]
            return weights[0][0] not in (x[0], int(np.prod(x[1:])))
        return backward

    def resized(self) -> "Layout":
        """The same layout with small sizes that all differ; itself where its own do."""
        total, sizes = sum(int(np.prod(shape)) for shape in self.shapes), [*self.sizes, self.examples]
        if total <= 400 and self.examples <= 100 and len(set(sizes)) == len(sizes) and min(sizes) > 2:
            return self
        if len(np.shape(self.inputs)) > 2 or not isinstance(self.tree, dict | list | tuple):
            return self
        hidden = [WIDTHS[i % len(WIDTHS)] + i // len(WIDTHS) * 13 for i in range(len(self.sizes) - 2)]
        classes = 3 if self.sizes[-1] == 3 else 5
        return self.of_sizes([11, *hidden, classes], 29)

    def of_sizes(self, sizes: Sequence[int], examples: int) -> "Layout":
        """The same layout with other dimensions."""
        values: list[Any] = [None] * len(self.names)
        for layer, (i, o) in zip(self.layers, itertools.pairwise(sizes), strict=True):
            for part, index in layer.items():
                shape = self.shapes[index]
                new = (o, i) if self.transposed else (i, o)
                values[index] = torch.zeros(new if part == "weight" else tuple(o if s > 1 else 1 for s in shape))
        x, y = (sizes[0], examples) if self.columns else (examples, sizes[0]), np.shape(self.labels)
        if self.onehot:
            y = tuple(sizes[-1] if s == self.sizes[-1] else examples for s in y)
        else:
            y = tuple(1 if s == 1 and len(y) > 1 else examples for s in y)
        labels = like(torch.zeros(y), self.labels)
        labels = labels if self.onehot else _integers(labels, self.labels)
        return replace(
            self, tree=rebuild(self.tree, iter(values)), inputs=like(torch.zeros(x), self.inputs), labels=labels
        )

    def draw(self, seed: int, function: Any = None, dropout: float = 0.0) -> Drawn:
        """Draw until no unit is near its kink; ``function(drawn)`` gives the activations' inputs."""
        best, found = -1.0, None
        for attempt in range(60):
            drawn = self._draw(torch.Generator().manual_seed(1000 * seed + attempt), dropout)
            least = min((float(z.abs().min()) for z in (function(drawn) if function else ())), default=1.0)
            if least > best:
                best, found = least, drawn
            if best > MARGIN:
                break
        assert found is not None
        return found

    def _draw(self, generator: torch.Generator, dropout: float) -> Drawn:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        parameters = []
        for layer, (i, o) in zip(self.layers, zip(self.sizes, self.sizes[1:], strict=False), strict=True):
            made = {"weight": normal(i, o) * (1.7 / i) ** 0.5, "bias": 0.4 * normal(o)}
            made |= {"gamma": 1.2 + 0.3 * normal(o), "beta": 0.3 * normal(o)}
            parameters.append({part: made[part] for part in layer})
        n, classes = self.examples, self.sizes[-1]
        labels = torch.cat(
            [torch.arange(min(classes, n)), torch.randint(classes, (max(n - classes, 0),), generator=generator)]
        )
        labels = labels[torch.randperm(n, generator=generator)]
        kept = [(torch.rand(n, o, generator=generator) >= dropout) for o in self.sizes[1:-1]] if dropout else []
        return Drawn(parameters, normal(n, self.sizes[0]) + 0.1, labels, kept, 1 - dropout, self.users_examples)

    def read(self) -> Drawn:
        """The user's own numbers as a problem."""
        arrays = [as_tensor(value) for _, value in leaves(self.tree)]
        parameters = [
            {part: self.canonical(arrays[i], layer, part) for part, i in layer.items()} for layer in self.layers
        ]
        x, y = as_tensor(self.inputs), as_tensor(self.labels)
        if self.onehot:
            y = y.argmax(0 if y.shape[0] == self.sizes[-1] and y.shape[1] == self.examples else 1)
        return Drawn(parameters, x.T if self.columns else x.reshape(len(x), -1), y.reshape(-1).long())

    def canonical(self, array: Tensor, layer: dict[str, int], part: str) -> Tensor:
        """An array of the user's shape as (I, O) or (O,)."""
        if part == "weight":
            return array.T if self.transposed else array
        return array.reshape(-1)

    def flat(self, drawn: Drawn) -> list[Tensor]:
        """The parameters in the user's order and shapes."""
        values: list[Any] = [None] * len(self.names)
        for layer, parts in zip(self.layers, drawn.parameters, strict=True):
            for part, index in layer.items():
                value = parts[part].T if part == "weight" and self.transposed else parts[part]
                values[index] = value.reshape(self.shapes[index]).contiguous()
        return values

    def present(self, drawn: Drawn) -> tuple[Any, Any, Any]:
        """Inputs, labels and masks in the user's form."""
        x = drawn.inputs.T.contiguous() if self.columns else drawn.inputs.reshape(np.shape(self.inputs))
        y = drawn.labels
        if self.onehot:
            y = torch.nn.functional.one_hot(y, self.sizes[-1]).double()
            shape = np.shape(self.labels)
            return like(x, self.inputs), like(y if shape[1] == self.sizes[-1] else y.T.contiguous(), self.labels), None
        return like(x, self.inputs), _integers(y.reshape(np.shape(self.labels)), self.labels), None

    def masks_for(self, drawn: Drawn, scale: float = 1.0) -> list[Any]:
        """The masks in the kind of the inputs; booleans unless ``scale`` is not 1."""
        made = [(mask.T if self.columns else mask).contiguous() for mask in drawn.kept]
        made = [mask.double() * scale if scale != 1.0 else mask for mask in made]
        return [mask.numpy().copy() if isinstance(self.inputs, np.ndarray) else mask.clone() for mask in made]


def _integers(values: Any, template: Any) -> Any:
    values = torch.as_tensor(values)
    if isinstance(template, Tensor):
        return values.to(template.device, torch.int64).clone()
    return values.numpy().astype(np.int64) if isinstance(template, np.ndarray) else values.tolist()


def _role(name: str, shape: tuple[int, ...]) -> str:
    last = name.lower().rsplit(".", 1)[-1]
    if len(shape) == 2 and (min(shape) > 1 or re.match(r"w|theta|kernel", last)):
        return "weight"
    if re.match(r"gamma|scale|g\d*$|w", last):
        return "gamma"
    return "beta" if re.match(r"beta|shift", last) else "bias"
