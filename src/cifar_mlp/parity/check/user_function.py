"""The function under check: an object's method, a module or a plain function, called on copies of drawn problems."""

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cifar_mlp.parity.check.calling import Answer, arguments_for, guarded, is_regularization, read_answer, split
from cifar_mlp.parity.check.layout import Drawn, Layout
from cifar_mlp.parity.check.structures import TRANSPOSED, as_tensor, leaves, rebuild, shape_words
from cifar_mlp.parity.evidence.autograd import objective

Shapes = list[tuple[int, ...]]


def call_on_copies(
    call: Callable[[], Any], tree: Any, others: Sequence[Any], names: list[str], shapes: Shapes
) -> tuple[Answer, int | None]:
    """The answer, and the first of all arrays of ``tree`` and ``others`` that the call wrote into."""
    before = [as_tensor(value) for _, value in leaves((tree, *others))]
    answer = read_answer(call(), tree, names, shapes)
    after = [as_tensor(value) for _, value in leaves((tree, *others))]
    changed = (i for i, pair in enumerate(zip(before, after, strict=False)) if not torch.equal(*pair))
    return answer, next(changed, None)


@dataclass
class UserFunction:
    """A network's function and the layout of its arguments."""

    function: Callable[..., Any]
    layout: Layout
    regularization: float
    wrote: str = ""  # an argument that was written into

    def __call__(self, drawn: Drawn, values: list[Tensor] | None = None) -> Answer:
        """One call on copies of a problem; ``values`` replace its parameters."""
        call, tree, others = self._on_copies(drawn, values)
        answer, wrote = call_on_copies(call, tree, others, self.layout.paths, self.layout.shapes)
        if wrote is not None:
            self.wrote = self.wrote or [*self.layout.names, "inputs", "labels"][wrote]
        return answer._replace(gradients=dict(zip(self.layout.names, answer.gradients.values(), strict=True)))

    def loss(self, drawn: Drawn, values: list[Tensor]) -> float:
        """The loss of one call, for differences: its gradients are not read."""
        return split(self._on_copies(drawn, values)[0]())[0]

    def _on_copies(self, drawn: Drawn, values: list[Tensor] | None) -> tuple[Callable[[], Any], Any, tuple[Any, Any]]:
        layout = self.layout
        tree = rebuild(layout.tree, iter(values if values is not None else layout.flat(drawn)))
        inputs, labels, masks = layout.present(drawn)
        by_role = {"inputs": inputs, "labels": labels, "regularization": self.regularization, "masks": masks}
        positional, named = arguments_for(self.function, tree, by_role)
        return partial(guarded, self.function, *positional, **named), tree, (inputs, labels)

    def misshapen(self, answer: Answer) -> dict[str, str]:
        """What is wrong with the shape of each gradient that has another than its parameter."""
        return misshapen(answer, self.layout.shapes, self.layout.examples)

    def right_size(self, answer: Answer) -> bool:
        """Whether every gradient has as many numbers as its parameter."""
        return all(
            math.prod(s) == g.numel() for s, g in zip(self.layout.shapes, answer.gradients.values(), strict=True)
        )

    def in_shape(self, answer: Answer) -> Answer:
        """The answer with transposed gradients turned back, and dimensions of 1 added or removed."""
        turned = {
            name: g.T if len(shape) == 2 and tuple(g.shape) == shape[::-1] else g.reshape(shape)
            for shape, (name, g) in zip(self.layout.shapes, answer.gradients.items(), strict=True)
        }
        return answer._replace(gradients=turned)

    def by_layer(self, answer: Answer) -> list[dict[str, Tensor]]:
        """Gradients as (I, O) and (O,), in the order of the network."""
        return self.layout.by_layer([answer.gradients[name] for name in self.layout.names])

    @property
    def part_names(self) -> list[dict[str, str]]:
        """The user's names, by layer and part."""
        return [{part: self.layout.names[i] for part, i in layer.items()} for layer in self.layout.layers]


def misshapen(answer: Answer, shapes: Shapes, examples: int = 0) -> dict[str, str]:
    """What is wrong with the shape of each gradient that has another than its parameter."""
    given = zip(answer.gradients.items(), shapes, strict=True)
    found = {name: (tuple(gradient.shape), shape) for (name, gradient), shape in given}
    wrong = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    said = {n: shape_words(*pair, examples) for n, pair in wrong.items()}
    said |= {n: f"it is exchanged with {other}" for n, pair in wrong.items() for other, theirs in wrong.items()
             if pair == theirs[::-1] and said[n] != TRANSPOSED}  # fmt: skip
    return {name: f"shape {g}, expected {s}: {said[name]}" for name, (g, s) in wrong.items()}


def of_object(network: Any) -> Callable[..., Any]:
    """``network.loss(X, y, reg)`` of an object with ``.params``, as a function of its parameters.

    All calls are to one copy of the object: what it keeps from a call, it has at the next.
    """
    one = copy.deepcopy(network)

    def function(parameters: Any, inputs: Any, labels: Any, regularization: float) -> Any:
        one.params = parameters
        names = [name for name in inspect.signature(one.loss).parameters if is_regularization(name)]
        if hasattr(one, "reg") and not names:
            one.reg = regularization
        if hasattr(one, "dtype"):
            one.dtype = type(one.dtype)(float) if not isinstance(one.dtype, type) else float
        return one.loss(inputs, labels, **dict.fromkeys(names, regularization))

    return function


def of_module(module: nn.Module, penalty: float) -> Callable[..., Any]:
    """A module whose ``.grad`` the caller filled: its loss anywhere, these gradients."""
    filled = {name: p.grad for name, p in module.named_parameters()}
    if any(gradient is None for gradient in filled.values()):
        raise ValueError("the module's .grad must be filled: " + ", ".join(n for n, g in filled.items() if g is None))

    def function(parameters: nn.Module, x: Any, y: Any, regularization: float) -> Any:
        with torch.no_grad():
            weights = [p for p in parameters.parameters() if p.dim() > 1]
            return objective(parameters(x), y, penalty * regularization, weights), filled

    return function
