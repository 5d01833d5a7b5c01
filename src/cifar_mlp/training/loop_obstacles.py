"""What only Lightning's own training loop supports."""

import inspect
import logging
from typing import Any

import lightning
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy

TESTED_LIGHTNING = ("2.6.6",)  # another version may have hooks and options that the fast loop does not know
HOOK_LOG = "lightning.pytorch.trainer.call"  # at level DEBUG, Lightning's own loop writes each hook that it calls


def obstacle(trainer: Any, module: LightningModule) -> str | None:
    """Why ``trainer.fit(module)`` needs Lightning's own loop; ``None`` if the fast loop does the same.

    Before ``fit``, its optimizer, wrappers around the module and callbacks that the module adds are not there yet.
    """
    strategy, precision = trainer.strategy, trainer.precision_plugin
    wrapped = trainer.lightning_module is module and strategy.model is not module
    unscaled = type(precision) is MixedPrecision and precision.scaler is None
    reasons = {
        f"Lightning {lightning.__version__} is not tested": lightning.__version__ not in TESTED_LIGHTNING,
        f"strategy {type(strategy).__name__}": type(strategy) is not SingleDeviceStrategy or is_patched(strategy),
        f"precision {trainer.precision}": not (type(precision) is Precision or unscaled) or is_patched(precision),
        f"accumulate_grad_batches {trainer.accumulate_grad_batches}": trainer.accumulate_grad_batches != 1,
        f"profiler {type(trainer.profiler).__name__}": type(trainer.profiler) is not PassThroughProfiler,
        f"{type(module).__name__} overrides optimizer_step": overrides(module, "optimizer_step"),
        "training_step takes dataloader_iter": "dataloader_iter" in inspect.signature(module.training_step).parameters,
        f"debug log of {HOOK_LOG}": logging.getLogger(HOOK_LOG).isEnabledFor(logging.DEBUG),
        f"the module is wrapped in {type(strategy.model).__name__}": wrapped,
        "the optimizer is a LightningOptimizer": any(isinstance(one, LightningOptimizer) for one in trainer.optimizers),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def describe(reason: str | None) -> str:
    """Name the loop that runs, and why if it is Lightning's own."""
    return "fast loop" if reason is None else f"Lightning's own loop ({reason})"


def overrides(thing: Any, hook: str) -> bool:
    """Whether a callback's or module's hook is not Lightning's: in its class, or assigned to the instance."""
    base = Callback if isinstance(thing, Callback) else LightningModule
    return getattr(getattr(thing, hook, None), "__func__", None) is not getattr(base, hook, None)


def is_patched(thing: Any) -> bool:
    """Whether something is assigned over a method of the instance's class."""
    return any(callable(getattr(type(thing), name, None)) for name in vars(thing))
