"""What a user's callbacks need, checked before training starts."""

from collections.abc import Iterable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder, ModelCheckpoint

from cifar_mlp.callbacks.checkpoints import BestCheckpoint
from cifar_mlp.callbacks.view import BoardCallback
from cifar_mlp.models import Classifier

INSTEAD = {BatchSizeFinder: "--data.batch_size", LearningRateFinder: "--model.optimizer.lr"}


def refuse_tuners(callbacks: Iterable[Callback]) -> None:
    """Refuse Lightning's tuners: they change an attribute that neither the data module nor the checkpoint reads.

    Raises:
        ValueError: Naming the option to set instead.
    """
    for callback in callbacks:
        for kind, option in INSTEAD.items():
            if isinstance(callback, kind):
                raise ValueError(
                    f"--trainer.callbacks {kind.__name__} does not work here: set {option}; cifar-mlp sweep searches "
                    "for the best value"
                )


def check_monitors(trainer: Trainer, module: LightningModule, has_validation: bool) -> None:
    """See that every metric which a callback or the schedule monitors will be there.

    A name without the source's prefix, such as ``val/loss`` on the digits, gets it. Only a :class:`Classifier` says
    beforehand which metrics it logs.

    Args:
        trainer: With all its callbacks.
        module: The network.
        has_validation: Whether there are validation images.

    Raises:
        ValueError: Naming the option and the metrics there are.
    """
    if not isinstance(module, Classifier):
        return
    skipped = trainer.limit_val_batches == 0
    has_validation = has_validation and not skipped
    cause = "--trainer.limit_val_batches" if skipped else "--data.val_size"
    why = "" if has_validation else f"{cause} 0 leaves no validation; "
    known = module.metrics_of_fit(has_validation)
    never = [] if has_validation else [name for name in module.metrics_of_fit() if name not in known]
    for callback in getattr(trainer, "callbacks", []):
        name = getattr(callback, "monitor", None)
        if not isinstance(name, str) or isinstance(callback, BoardCallback):  # a view leaves out what is not there
            continue
        if (
            skipped and isinstance(callback, BestCheckpoint) and module.metric_name(name) in never
        ):  # it says what it does then
            continue
        if not getattr(callback, "strict", True) and not {name, module.metric_name(name)} & {*never}:
            continue
        counters = ["epoch", "step"] if isinstance(callback, ModelCheckpoint) else []
        settable: Any = callback
        full = _found(name, module, known + counters, why, f"--trainer.callbacks {type(callback).__name__}")
        if not type(callback).__module__.startswith("cifar_mlp."):  # those add the prefix themselves
            settable.monitor = full
    schedule = module.settings["lr_scheduler"]
    if schedule is not None and "monitor" in schedule["init_args"]:
        _found(schedule["init_args"]["monitor"], module, known, why, "--model.lr_scheduler.monitor")


def _found(name: str, module: Classifier, known: list[str], why: str, option: str) -> str:
    for full in (name, module.metric_name(name)):
        if full in known:
            return full
    why = why if module.metric_name(name) in module.metrics_of_fit() else ""
    raise ValueError(f"{option}: there is no metric {name!r} to monitor; {why}there are {', '.join(known)}")
