"""All parameters in one tensor, so that an optimizer's step and clipping are one pass."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

ALIGNED = 64  # elements: every piece begins at a whole cache line
ELEMENTWISE = (
    optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Adadelta, optim.Adamax, optim.NAdam,
    optim.RAdam, optim.ASGD, optim.Rprop,
)  # fmt: skip
"""Optimizers that treat each number alone, so that it does not matter in which tensor it is."""


def same_memory(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether they are in the same places."""
    return [tensor.data_ptr() for tensor in tensors] == [other.data_ptr() for other in others]


class FlatTensor:
    """One tensor with a piece for each parameter of a network, in their order; the gaps between them stay 0.

    Args:
        parameters: They are copied into it.
        dtype: Of the tensor; the parameters' own by default.
    """

    def __init__(self, parameters: list[nn.Parameter], dtype: torch.dtype | None = None) -> None:
        first = parameters[0]
        starts = [0]
        for parameter in parameters:
            starts.append(starts[-1] + -(-parameter.numel() // ALIGNED) * ALIGNED)
        self.shapes = [parameter.shape for parameter in parameters]
        self._starts = starts[:-1]
        self.whole = torch.zeros(starts[-1], dtype=dtype or first.dtype, device=first.device)
        self.pieces = self.cut(self.whole)

    def cut(self, whole: Tensor) -> list[Tensor]:
        """Views of a tensor of this size, one for each parameter."""
        pieces = zip(self._starts, self.shapes, strict=True)
        return [whole[start : start + shape.numel()].view(shape) for start, shape in pieces]


class FlatParameters:
    """Moves a network's parameters into one tensor, of which they become views.

    Args:
        parameters: The network's, on the device where they train.

    Attributes:
        parameter: What the optimizer trains.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters, self._flat = parameters, FlatTensor(parameters)
        self._hooks: list[RemovableHandle] = []
        self.parameter = nn.Parameter(self._flat.whole)
        with torch.no_grad():
            for parameter, piece in zip(parameters, self._flat.pieces, strict=True):
                piece.copy_(parameter)
                parameter.data = piece

    @property
    def in_place(self) -> bool:
        """Whether the parameters are still views of the one tensor, which moving the network elsewhere ends."""
        return same_memory(self._parameters, self._flat.pieces)

    def take_gradient(self, whole: Tensor, pieces: list[Tensor]) -> None:
        """Make this the gradient of all parameters."""
        self.parameter.grad = whole
        for parameter, piece in zip(self._parameters, pieces, strict=True):
            parameter.grad = piece

    def gather_gradients(self) -> None:
        """Bring the gradients that the single parameters have into one tensor."""
        whole = torch.zeros_like(self._flat.whole)
        pieces = self._flat.cut(whole)
        for parameter, piece in zip(self._parameters, pieces, strict=True):
            if parameter.grad is not None:
                piece.copy_(parameter.grad)
        self.take_gradient(whole, pieces)

    def save_by_parameter(self, optimizer: Optimizer) -> None:
        """Let the optimizer's saved states be those of an optimizer of the single parameters."""
        self._hooks = [
            optimizer.register_state_dict_post_hook(self._split),
            optimizer.register_load_state_dict_pre_hook(self._join),
        ]

    def part(self, optimizer: Optimizer) -> None:
        """Let the optimizer continue with the single parameters, each with its state."""
        state = optimizer.state_dict()
        for hook in self._hooks:
            hook.remove()
        (group,) = optimizer.param_groups
        group["params"] = self._parameters
        optimizer.state.clear()
        optimizer.load_state_dict(state)
        self.parameter.grad = None
        for parameter in self._parameters:
            parameter.grad = None

    def _split(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        count = len(self._flat.shapes)
        found: dict[int, dict[str, Any]] = {index: {} for index in range(count if state["state"] else 0)}
        for name, value in state["state"].get(0, {}).items():
            whole = isinstance(value, Tensor) and value.shape == self.parameter.shape
            pieces = self._flat.cut(value) if whole else [value] * count
            for index, piece in enumerate(pieces):  # a copy each: autograd's optimizer counts each one's steps alone
                found[index][name] = piece.clone() if isinstance(piece, Tensor) else piece
        (group,) = state["param_groups"]
        return {**state, "state": found, "param_groups": [{**group, "params": list(range(count))}]}

    def _join(self, optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        states, (group,) = state["state"], state["param_groups"]
        joined: dict[str, Any] = {}
        for name, value in states.get(0, {}).items():
            joined[name] = value
            if isinstance(value, Tensor) and value.shape == self._flat.shapes[0]:
                joined[name] = torch.zeros_like(self._flat.whole, dtype=value.dtype)
                for index, piece in enumerate(self._flat.cut(joined[name])):
                    piece.copy_(states[index][name])
        return {**state, "state": {0: joined} if joined else {}, "param_groups": [{**group, "params": [0]}]}
