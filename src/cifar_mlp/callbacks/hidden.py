"""What the hidden units of a network answer to some images."""

from typing import Any

from torch import Tensor, nn

from cifar_mlp.callbacks.modes import evaluating


def hidden_activations(module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Output of every activation function, by layer, ``(N, units)`` each, on the CPU.

    Args:
        module: Any network whose activation functions are modules, such as ``nn.ReLU``.
        images: ``(N, ...)``, where the module is.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda part, given, output: found.__setitem__(name, output.detach().float().flatten(1).cpu())

    handles = [
        part.register_forward_hook(keep(name.removeprefix("network.").removesuffix(".activation")))
        for name, part in module.named_modules()
        if type(part).__module__ == "torch.nn.modules.activation"
    ]
    try:
        with evaluating(module):
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    return found


def dead_share(activations: Tensor) -> float:
    """Share of units, columns of ``(N, units)``, that are exactly zero for every image: they can learn no more."""
    return float((activations == 0).all(0).double().mean())
