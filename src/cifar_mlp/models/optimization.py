"""What Lightning needs to step an optimizer and its schedule, from their recipes."""

import inspect
import math
from collections.abc import Callable
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch.optim import Optimizer

from cifar_mlp.models.recipes import Recipe, from_recipe, fused, needs_total_steps, with_total_steps


def configured(
    settings: dict[str, Any], make_optimizer: Callable[[Recipe], Optimizer], trainer: Any,
    metric_name: Callable[[str], str],
) -> Any:  # fmt: skip
    """What ``configure_optimizers`` returns.

    Args:
        settings: Of a Classifier; a schedule that plans for the whole training gets its number of steps in them.
        make_optimizer: Makes it from its recipe.
        trainer: Lightning's.
        metric_name: Full name of a metric.

    Raises:
        ValueError: For a schedule that needs the number of steps where nothing limits them.
    """
    # Lightning clips no gradients ahead of a fused step under mixed precision.
    may_fuse = not (trainer.gradient_clip_val and "mixed" in str(trainer.precision))
    recipe = fused(settings["optimizer"]) if may_fuse else settings["optimizer"]
    optimizer = make_optimizer(recipe)
    if settings["lr_scheduler"] is None:
        return optimizer
    if needs_total_steps(settings["lr_scheduler"]):
        by_step = settings["lr_interval"] == "step"
        total = trainer.estimated_stepping_batches if by_step else trainer.max_epochs
        if not 0 < total < math.inf:
            raise ValueError("--model.lr_scheduler.total_steps is needed where no --trainer.max_epochs limits training")
        settings["lr_scheduler"] = with_total_steps(settings["lr_scheduler"], int(total))
    _require_long_enough(settings, trainer)
    _say_if_rate_is_unused(settings)
    schedule = {"scheduler": from_recipe(settings["lr_scheduler"])(optimizer), "interval": settings["lr_interval"]}
    if hasattr(schedule["scheduler"], "monitor"):  # a schedule that waits for a plateau names what it watches
        if settings["lr_interval"] == "step":
            raise ValueError("--model.lr_interval step: the schedule waits for a metric of an epoch; drop that option")
        schedule["monitor"] = metric_name(schedule["scheduler"].monitor)
        if "train/" not in schedule["monitor"]:
            schedule["frequency"] = trainer.check_val_every_n_epoch or 1  # in between there is nothing new to see
    return {"optimizer": optimizer, "lr_scheduler": schedule}


def _require_long_enough(settings: dict[str, Any], trainer: Any) -> None:
    """Refuse a schedule that is over before a new training is; PyTorch would raise in the middle of it."""
    planned = settings["lr_scheduler"]["init_args"].get("total_steps")
    if planned is None or trainer.ckpt_path is not None:
        return
    by_step = settings["lr_interval"] == "step"
    total = trainer.estimated_stepping_batches if by_step else trainer.max_epochs
    if 0 < planned < total < math.inf:
        raise ValueError(
            f"--model.lr_scheduler.total_steps {planned}: the training has {int(total)} "
            f"{'steps' if by_step else 'epochs'}; give that many, or none, which means the whole training"
        )


def _say_if_rate_is_unused(settings: dict[str, Any]) -> None:
    """Warn where the schedule has a rate of its own, as ``OneCycleLR`` and ``CyclicLR`` do, and another was given."""
    own, given = (settings[name]["init_args"] for name in ("lr_scheduler", "optimizer"))
    parameters = inspect.signature(from_recipe(settings["optimizer"]).func).parameters
    default = parameters["lr"].default if "lr" in parameters else None
    if "max_lr" in own and given.get("lr", default) not in (default, own["max_lr"]):
        name = settings["lr_scheduler"]["class_path"].rpartition(".")[2]
        rank_zero_warn(
            f"--model.optimizer.lr {given['lr']:g} has no effect: {name} takes its rates from "
            f"--model.lr_scheduler.max_lr {own['max_lr']}"
        )
