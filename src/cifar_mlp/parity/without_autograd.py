"""A decorator that keeps autograd and autocast out of the arithmetic."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

Network = TypeVar("Network")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def plain(
    function: Callable[Concatenate[Network, Tensor, Arguments], Result],
) -> Callable[Concatenate[Network, Tensor, Arguments], Result]:
    """Run ``function(network, inputs, ...)`` without an autograd graph and without autocast.

    Autocast would silently round the factors of a matmul to half precision. Here the dtype of the arguments is the
    dtype of the arithmetic, also when called under autocast.

    Raises:
        ValueError: If ``inputs`` is not a tensor.
    """

    @wraps(function)
    def wrapper(network: Network, inputs: Tensor, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if not isinstance(inputs, Tensor):
            raise ValueError(f"inputs must be a torch.Tensor, not {type(inputs).__name__}")
        with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
            return function(network, inputs, *args, **kwargs)

    return wrapper
