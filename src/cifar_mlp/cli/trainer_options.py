"""Values of the trainer's options that Lightning takes and ignores, or fails on when the work has begun."""

from typing import Any

_AT_LEAST = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "gradient_clip_val": 0,
    "log_every_n_steps": 0,
    "num_sanity_val_steps": -1,
    "min_epochs": 0,
    "min_steps": 0,
}


def require_sane(trainer: Any, training: bool) -> None:
    """Refuse a value that means nothing, and a training of nothing.

    Args:
        trainer: Its options by name.
        training: Whether it will train.

    Raises:
        ValueError: Naming the option.
    """
    for option, least in _AT_LEAST.items():
        if trainer[option] is not None and trainer[option] < least:
            raise ValueError(f"--trainer.{option} must be at least {least}, not {trainer[option]}")
    interval = trainer.val_check_interval
    if isinstance(interval, int | float) and interval <= 0:
        raise ValueError(
            f"--trainer.val_check_interval must be more than 0, not {interval}; --trainer.limit_val_batches 0 does not "
            "validate"
        )
    if trainer.barebones:
        raise ValueError(
            "--trainer.barebones would keep nothing of a run: give --trainer.logger false, "
            "--trainer.enable_checkpointing false and --trainer.enable_progress_bar false instead"
        )
    for first, last in (("min_epochs", "max_epochs"), ("min_steps", "max_steps")):
        if trainer[first] is not None and 0 <= trainer[last] < trainer[first]:
            raise ValueError(f"--trainer.{first} {trainer[first]} is more than --trainer.{last} {trainer[last]}")
    for option in ("max_epochs", "max_steps", "limit_train_batches"):
        if training and trainer[option] is not None and trainer[option] == 0:
            raise ValueError(f"--trainer.{option} 0 trains nothing")
