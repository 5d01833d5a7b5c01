"""How many steps may follow each other with nothing between them that anybody asked to see."""

import sys
from collections.abc import Iterable
from typing import Any

from cifar_mlp.training.loop_obstacles import overrides

NO_END = sys.maxsize
BETWEEN = ("on_train_batch_start", "on_train_batch_end")


def listeners(trainer: Any, module: Any, hooks: Iterable[str]) -> list[Any] | None:
    """All whose hooks Lightning calls at each step; ``None`` if one of them wants to see every step.

    One that does not has a method ``steps_alone(trainer)``: how many of the next steps it need not see. One with
    ``at_each_step`` sees those too, but without their batch and outputs.

    Args:
        trainer: While it fits.
        module: What it trains.
        hooks: Those of a step.
    """
    found = []
    for each in (*trainer.callbacks, module):
        written = {hook for hook in hooks if overrides(each, hook)}
        if written - set(BETWEEN) or (written and not hasattr(each, "steps_alone")):
            return None
        if written:
            found.append(each)
    return found if hasattr(module, "steps_alone") else None


def until(step: int, every: int) -> int:
    """Steps before the next one whose number ``every`` divides, which may be ``step`` itself."""
    return -step % every


def steps_alone(trainer: Any, fetcher: Any, heard: list[Any]) -> int:
    """How many of the next steps of this epoch nobody need see, nor validation interrupt; its last one is never among.

    Args:
        trainer: While it fits, between two steps.
        fetcher: Of the batches.
        heard: From :func:`listeners`.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    logging = not all(value.has_reset for value in loop._results.values())
    if logging or trainer.should_stop or trainer.fast_dev_run or fetcher.length is None:
        return 0
    done = loop.batch_progress.current.ready
    most = min(trainer.num_training_batches - done, fetcher.length - fetcher.fetched) - 1
    if loop.max_steps != -1:
        most = min(most, loop.max_steps - loop.global_step - 1)
    if trainer._val_check_time_interval is not None:
        return 0
    if trainer.val_check_batch not in (None, float("inf")):
        before = loop.batch_progress.total.ready if trainer.check_val_every_n_epoch is None else done
        most = min(most, until(before + 1, int(trainer.val_check_batch)))
    return max(0, min([most, *(each.steps_alone(trainer) for each in heard)]))
