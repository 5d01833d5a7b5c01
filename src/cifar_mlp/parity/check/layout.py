"""A network's parameters in the user's layout, and problems drawn so that no mistake can hide.

All dimensions differ, no number is 0 or 1, and no unit is near its kink.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cifar_mlp.parity.check.structures import as_tensor, leaves, like, rebuild
from cifar_mlp.parity.drawing import draw_layer, normal

# Shape legend: N = examples, I, O = input and output features of a layer

WIDTHS = (8, 7, 9, 6, 12, 10)  # of hidden layers, where the user's cannot be used
MARGIN = 2e-3  # least |z| of a unit; steps of differences move it by a twentieth of that
LAST = 10**9  # where a name without a number stands among names with one
PARTS = ("weight", "bias", "gamma", "beta")


class ChainError(ValueError):
    """The parameters are no chain of matrices that begins with the inputs."""


@dataclass
class Drawn:
    """One problem in float64: layer by layer, weights as (I, O)."""

    parameters: list[dict[str, Tensor]]
    inputs: Tensor  # (N, D)
    labels: Tensor  # (N,)
    kept: list[Tensor] = field(default_factory=list)  # a boolean mask (N, O) per hidden layer
    keep: float = 1.0  # 1 - dropout
    users_examples: int = 0  # N of the user's own batch

    @property
    def sizes(self) -> list[int]:
        """The widths of all layers."""
        return [len(self.parameters[0]["weight"]), *(part["weight"].shape[1] for part in self.parameters)]


@dataclass
class Layout:
    """Where a network's tensors are in the user's structure, and how its arrays are arranged."""

    tree: Any
    inputs: Any
    labels: Any
    masks: Any = None  # as the function takes them: a list or one array, booleans or 1/keep
    users_examples: int = 0

    def __post_init__(self) -> None:
        self.paths = self.names = [name for name, _ in leaves(self.tree)]
        self.shapes = [tuple(as_tensor(value).shape) for _, value in leaves(self.tree)]
        self.layers = self._layers()
        if not any(re.search("[A-Za-z]", path) for path in self.paths):  # a list: W1, b1, ... say more than 0, 1, ...
            names = {i: f"{'W' if part == 'weight' else 'b' if part == 'bias' else part}{number}"
                     for number, layer in enumerate(self.layers, 1) for part, i in layer.items()}  # fmt: skip
            self.names = [names.get(i, path) for i, path in enumerate(self.paths)]
        weights = [self.shapes[layer["weight"]] for layer in self.layers]
        x, y = tuple(np.shape(self.inputs)), tuple(np.shape(self.labels))
        self.transposed = self._transposed(weights, x)
        width = weights[0][1] if self.transposed else weights[0][0]
        rows = int(np.prod(x[1:])) == width
        column_bias = any("bias" in layer and self.shapes[layer["bias"]][1:] == (1,) for layer in self.layers)
        self.columns = len(x) == 2 and x[0] == width and (not rows or column_bias)
        if not rows and not self.columns:
            raise ChainError(f"inputs of shape {x} do not fit the first weight, of shape {weights[0]}")
        self.sizes = [width, *(w[0] if self.transposed else w[1] for w in weights)]
        self.examples, classes = x[1] if self.columns else x[0], self.sizes[-1]
        if self.examples not in y:
            raise ValueError(f"labels of shape {y} do not fit inputs of shape {x}")
        self.onehot = len(y) == 2 and classes in y and classes > 1 and (min(y) > 1 or self.examples == 1)

    def _layers(self) -> list[dict[str, int]]:
        roles = [_role(name, shape) for name, shape in zip(self.names, self.shapes, strict=True)]
        if not any(re.search("[A-Za-z]", name) for name in self.names):  # a list
            roles = _roles_by_position(self.shapes)
        for i, role in enumerate(roles):  # nn.BatchNorm1d: a bias that follows a scale is its shift
            if role == "bias" and i and roles[i - 1] == "gamma" and re.search("bias", self.names[i]):
                roles[i] = "beta"
        by_role = {part: [i for i, role in enumerate(roles) if role == part] for part in PARTS}
        if not by_role["weight"]:
            raise ChainError("parameters hold no matrix of weights")
        for found in by_role.values():
            found.sort(key=lambda i: [int(n) for n in re.findall(r"\d+", self.names[i])] or [LAST])
        layers = [{"weight": i} for i in by_role["weight"]]
        for part in PARTS[1:]:
            for layer, i in zip(layers, by_role[part], strict=False):
                layer[part] = i
        placed = {i for layer in layers for i in layer.values()}
        if extra := [name for i, name in enumerate(self.names) if i not in placed]:
            raise ChainError(f"{', '.join(extra)} of the parameters belong to no layer of a chain")
        return layers

    def _transposed(self, weights: list[tuple[int, ...]], x: tuple[int, ...]) -> bool:
        pairs = list(pairwise(weights))
        forward, backward = all(a[1] == b[0] for a, b in pairs), all(a[0] == b[1] for a, b in pairs)
        if not forward and not backward:
            raise ChainError(f"the weights' shapes {weights} do not follow one another")
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
        return self.of_sizes([11, *hidden, 3 if self.sizes[-1] == 3 else 5], 29)

    def of_sizes(self, sizes: Sequence[int], examples: int) -> "Layout":
        """The same layout with other dimensions."""
        values: list[Any] = [None] * len(self.names)
        for layer, (i, o) in zip(self.layers, pairwise(sizes), strict=True):
            for part, index in layer.items():
                matrix = (o, i) if self.transposed else (i, o)
                row = tuple(o if s > 1 else 1 for s in self.shapes[index])
                values[index] = torch.zeros(matrix if part == "weight" else row)
        x, y = (sizes[0], examples) if self.columns else (examples, sizes[0]), np.shape(self.labels)
        if self.onehot:
            labels = like(torch.zeros([sizes[-1] if s == self.sizes[-1] else examples for s in y]), self.labels)
        else:
            labels = _integers(torch.zeros([1 if s == 1 and len(y) > 1 else examples for s in y]), self.labels)
        tree = rebuild(self.tree, iter(values))
        return replace(self, tree=tree, inputs=like(torch.zeros(x), self.inputs), labels=labels)

    def draw(
        self, seed: int, inputs_of_activations: Callable[[Drawn], list[Tensor]] | None = None, dropout: float = 0.0
    ) -> Drawn:
        """Draw until no unit is near its kink."""
        best, found = -1.0, None
        for attempt in range(60):
            drawn = self._draw(torch.Generator().manual_seed(1000 * seed + attempt), dropout)
            units = inputs_of_activations(drawn) if inputs_of_activations else []
            least = min((float(z.abs().min()) for z in units), default=1.0)
            if least > best:
                best, found = least, drawn
            if best > MARGIN:
                break
        assert found is not None
        return found

    def _draw(self, generator: torch.Generator, dropout: float) -> Drawn:
        parameters = []
        for layer, (i, o) in zip(self.layers, pairwise(self.sizes), strict=True):
            made = draw_layer(i, o, generator)
            parameters.append({part: made[part] for part in layer})
        n, classes = self.examples, self.sizes[-1]
        drawn = torch.randint(classes, (max(n - classes, 0),), generator=generator)
        labels = torch.cat([torch.arange(min(classes, n)), drawn])[torch.randperm(n, generator=generator)]
        kept = [(torch.rand(n, o, generator=generator) >= dropout) for o in self.sizes[1:-1]] if dropout else []
        inputs = normal(generator, n, self.sizes[0]) + 0.1
        return Drawn(parameters, inputs, labels, kept, 1 - dropout, self.users_examples)

    def read(self) -> Drawn:
        """The user's own numbers as a problem."""
        parameters = self.by_layer([as_tensor(value) for _, value in leaves(self.tree)])
        x, y = as_tensor(self.inputs), as_tensor(self.labels)
        if self.onehot:
            y = y.argmax(0 if y.shape[0] == self.sizes[-1] and y.shape[1] == self.examples else 1)
        return Drawn(parameters, x.T if self.columns else x.reshape(len(x), -1), y.reshape(-1).long())

    def by_layer(self, values: Sequence[Tensor]) -> list[dict[str, Tensor]]:
        """Arrays in the user's order and shapes, layer by layer as (I, O) and (O,)."""

        def canonical(part: str, value: Tensor) -> Tensor:
            return value.reshape(-1) if part != "weight" else value.T if self.transposed else value

        return [{part: canonical(part, values[i]) for part, i in layer.items()} for layer in self.layers]

    def in_order(self, layered: list[dict[str, Tensor]]) -> list[Tensor]:
        """The reverse of :meth:`by_layer`, still as (I, O) and (O,)."""
        values = {
            i: parts[part] for layer, parts in zip(self.layers, layered, strict=True) for part, i in layer.items()
        }
        return [values[i] for i in range(len(self.names))]

    def flat(self, drawn: Drawn) -> list[Tensor]:
        """A problem's parameters in the user's order and shapes."""
        values = self.in_order(drawn.parameters)
        turned = [value.T if value.dim() == 2 and self.transposed else value for value in values]
        return [value.reshape(shape).contiguous() for value, shape in zip(turned, self.shapes, strict=True)]

    def present(self, drawn: Drawn) -> tuple[Any, Any, Any]:
        """Inputs, labels and masks in the user's form."""
        x = drawn.inputs.T.contiguous() if self.columns else drawn.inputs.reshape(np.shape(self.inputs))
        shape = np.shape(self.labels)
        if self.onehot:
            y = one_hot(drawn.labels, self.sizes[-1]).double()
            labels = like(y if shape[1] == self.sizes[-1] else y.T.contiguous(), self.labels)
        else:
            labels = _integers(drawn.labels.reshape(shape), self.labels)
        return like(x, self.inputs), labels, self._masks(drawn) if drawn.kept else None

    def _masks(self, drawn: Drawn) -> Any:
        one = self.masks is not None and not isinstance(self.masks, list | tuple)
        scale = 1.0 if self.masks is None else float(as_tensor(self.masks if one else self.masks[0]).max())
        made = [(mask.T if self.columns else mask).contiguous() for mask in drawn.kept]
        made = [mask.double() * scale if scale > 1 else mask for mask in made]
        given = [mask.numpy().copy() if isinstance(self.inputs, np.ndarray) else mask.clone() for mask in made]
        return given[0] if one else given


def _integers(values: Tensor, template: Any) -> Any:
    if isinstance(template, Tensor):
        return values.to(template.device, torch.int64, copy=True)
    return values.numpy().astype(np.int64) if isinstance(template, np.ndarray) else values.long().tolist()


def _roles_by_position(shapes: list[tuple[int, ...]]) -> list[str]:
    """Of parameters without names; of two or three vectors of one size between two weights the last scale and shift."""
    roles = ["weight" if len(shape) == 2 and min(shape) > 1 else "bias" for shape in shapes]
    weights = [i for i, role in enumerate(roles) if role == "weight"]
    for weight, end in pairwise(weights):
        vectors = range(weight + 1, end)
        if len(vectors) in (2, 3) and len({max(shapes[i]) for i in vectors}) == 1:
            for i, part in zip(vectors, ("bias", "gamma", "beta")[-len(vectors) :], strict=True):
                roles[i] = part
    return roles


def _role(name: str, shape: tuple[int, ...]) -> str:
    last = name.lower().rsplit(".", 1)[-1]
    if len(shape) == 2 and (min(shape) > 1 or re.match(r"w|theta|kernel", last)):
        return "weight"
    if re.match(r"gamma|scale|g\d*$|w", last):
        return "gamma"
    return "beta" if re.match(r"beta|shift", last) else "bias"
