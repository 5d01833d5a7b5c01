"""Where the hand-derived steps do what is asked for, and where they are the default."""

from typing import Any

from lightning.pytorch.callbacks import ModelPruning
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import nn
from torch.optim import Optimizer

from cifar_mlp.models.hand_derived.flat import ELEMENTWISE
from cifar_mlp.parity.network import read_module


def why_autograd(module: Any, trainer: Any) -> str | None:
    """Why ``gradients: auto`` means autograd; ``None`` where it means the hand-derived formulas.

    Args:
        module: With ``network`` and ``settings``.
        trainer: Before or within ``fit``.
    """
    if any(isinstance(callback, ModelPruning) for callback in trainer.callbacks):
        why = "ModelPruning puts other tensors in the weights' place"
        if module.settings["gradients"] == "hand":
            raise ValueError(f"--model.gradients hand: {why}; drop that option")
        return why
    if module.settings["gradients"] != "auto":
        return "--model.gradients autograd" if module.settings["gradients"] == "autograd" else None
    kind = trainer.strategy.root_device.type
    if kind != "cpu":
        return f"the hand-derived step is not measured on {kind}"
    if not _takes_our_steps(module):
        return f"{type(module).__name__} has a training_step of its own"
    if "network" in module._modules:
        if any_frozen(module.network):
            return "layers are frozen"
        try:
            read_module(module.network)
        except (ValueError, AttributeError) as error:
            return str(error)
    return None


def may_deliver(module: Any, trainer: Any, optimizer: type[Optimizer]) -> bool:
    """Whether the steps may leave all gradients in one tensor for an optimizer, past autograd's engine."""
    strategy, precision = trainer.strategy, trainer.precision_plugin
    unscaled = not isinstance(precision, MixedPrecision) or precision.scaler is None
    return (
        type(strategy) is SingleDeviceStrategy
        and not trainer._detect_anomaly  # which looks at what autograd's engine hands on
        and isinstance(precision, Precision)
        and unscaled
        and optimizer in ELEMENTWISE
        and _is_ours(module, "optimizer_zero_grad")
        and _takes_our_steps(module)
        and module.automatic_optimization
        and not any_frozen(module.network)
    )


def any_frozen(network: nn.Module) -> bool:
    """Whether a parameter is not to be trained."""
    return not all(parameter.requires_grad for parameter in network.parameters())


def _takes_our_steps(module: Any) -> bool:
    return _is_ours(module, "training_step") and _is_ours(module, "backward")


def _is_ours(module: Any, method: str) -> bool:
    return str(getattr(type(module), method).__module__).startswith("cifar_mlp.models.")
