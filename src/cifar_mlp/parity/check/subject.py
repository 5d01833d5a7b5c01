"""The function under check on one layout: called with drawn problems, its gradients read layer by layer."""

import copy
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cifar_mlp.parity.check.calling import Answer, arguments_for, guarded, read_answer
from cifar_mlp.parity.check.drawing import Drawn, Layout
from cifar_mlp.parity.check.forms import as_tensor, leaves, rebuild, shape_words


def of_object(network: Any) -> Callable[..., Any]:
    """``network.loss(X, y, reg)`` of an object with ``.params``, as a function of its parameters."""

    def function(parameters: Any, inputs: Any, labels: Any, regularization: float) -> Any:
        one = copy.deepcopy(network)
        one.params = parameters
        names = [name for name in inspect.signature(one.loss).parameters if name in ("reg", "regularization", "lam")]
        if hasattr(one, "reg") and not names:
            one.reg = regularization
        if hasattr(one, "dtype"):
            one.dtype = type(one.dtype)(float) if not isinstance(one.dtype, type) else float
        return one.loss(inputs, labels, **dict.fromkeys(names, regularization))

    return function


@dataclass
class Subject:
    """A function and the layout of its arguments."""

    function: Callable[..., Any]
    layout: Layout
    regularization: float
    scaled_masks: float = 1.0  # what a kept unit has in the mask, if masks are numbers
    one_mask: bool = False
    wrote: str = ""  # an argument that was written into

    def __call__(self, drawn: Drawn, values: list[Tensor] | None = None) -> Answer:
        """One call on copies of a problem; ``values`` replace its parameters."""
        tree = rebuild(self.layout.tree, iter(values if values is not None else self.layout.flat(drawn)))
        inputs, labels, _ = self.layout.present(drawn)
        masks: Any = self.layout.masks_for(drawn, self.scaled_masks) if drawn.kept else None
        masks = masks[0] if masks and self.one_mask else masks
        by_role = {"inputs": inputs, "labels": labels, "regularization": self.regularization, "masks": masks}
        positional, named = arguments_for(self.function, tree, by_role)
        before = [as_tensor(value) for _, value in leaves((tree, inputs, labels))]
        result = guarded(self.function, *positional, **named)
        shapes = self.layout.shapes
        answer = read_answer(result, tree, self.layout.paths, shapes)
        answer = answer._replace(gradients=dict(zip(self.layout.names, answer.gradients.values(), strict=True)))
        after = [as_tensor(value) for _, value in leaves((tree, inputs, labels))]
        named_leaves = [*self.layout.names, "inputs", "labels"]
        for name, old, new in zip(named_leaves, before, after, strict=False):
            if not torch.equal(old, new) and not self.wrote:
                self.wrote = name
        return answer

    def misshapen(self, answer: Answer) -> dict[str, str]:
        """What is wrong with the shape of each gradient that has another than its parameter."""
        found = {}
        for name, shape in zip(self.layout.names, self.layout.shapes, strict=True):
            given = tuple(answer.gradients[name].shape)
            if given != shape:
                found[name] = f"shape {given}, expected {shape}: {shape_words(given, shape, self.layout.examples)}"
        return found

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
        names = self.layout.names
        found = []
        for layer in self.layout.layers:
            parts = {}
            for part, index in layer.items():
                parts[part] = self.layout.canonical(answer.gradients[names[index]], layer, part)
            found.append(parts)
        return found

    @property
    def part_names(self) -> list[dict[str, str]]:
        """The user's names, by layer and part."""
        return [{part: self.layout.names[i] for part, i in layer.items()} for layer in self.layout.layers]


def of_module(module: nn.Module, inputs: Any, labels: Any, penalty: float) -> Callable[..., Any]:
    """A module whose ``.grad`` the caller filled: its loss anywhere, these gradients."""
    filled = {name: p.grad for name, p in module.named_parameters()}
    if any(gradient is None for gradient in filled.values()):
        raise ValueError("the module's .grad must be filled: " + ", ".join(n for n, g in filled.items() if g is None))

    def function(parameters: nn.Module, x: Any, y: Any, regularization: float) -> Any:
        with torch.no_grad():
            loss = nn.functional.cross_entropy(parameters(x), y)
            weights = [p for name, p in parameters.named_parameters() if p.dim() > 1]
            return loss + penalty * regularization * sum(w.square().sum() for w in weights), filled

    return function
