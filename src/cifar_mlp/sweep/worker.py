"""The loop of one worker: ask for a trial, run it, tell its value. Any number of workers may share a study."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from cifar_mlp.sweep.heartbeat import beat, sign_up
from cifar_mlp.sweep.process import Outcome
from cifar_mlp.sweep.slots import REASON, claim, give_up, holders, slots, take_up_lost

WAIT = 1.0  # seconds between looks at what other workers do
FAILURES = 3  # so many at the start, and nothing else, are no accident

Train = Callable[[Trial, int, Callable[[int, float], bool], Callable[[], None]], Outcome]
"""Runs one trial, given its slot; for the other two see :func:`cifar_mlp.sweep.process.run_fit`."""


class Search(NamedTuple):
    """What a worker works on.

    Attributes:
        study: Where trials are kept.
        size: Trials in all.
        train: Runs one trial.
        folder: Of the trials, for messages.
        changed: Called after each change, to update a display.
    """

    study: Study
    size: int
    train: Train
    folder: Path
    changed: Callable[[], None] = lambda: None


def work(search: Search) -> list[FrozenTrial]:
    """Work until every slot is settled, by this worker or by others.

    Returns:
        The trials in their slots.

    Raises:
        ValueError: If this worker's first trials failed.
    """
    study, ended = search.study, 0
    failed: list[str] = []
    while True:
        take_up_lost(study, search.size)
        mine = holders(study, search.size)
        if len(mine) == search.size and all(trial.state.is_finished() for trial in mine):
            search.changed()
            return mine
        full = len(slots(study.get_trials(deepcopy=False))) >= search.size
        if full and not any(trial.state == TrialState.WAITING for trial in mine):
            search.changed()
            time.sleep(WAIT)
            continue
        trial = study.ask()
        sign_up(trial)
        slot = claim(study, trial, search.size)
        if slot is None:
            continue
        try:
            reason = conduct(search, trial, slot)
        except KeyboardInterrupt:
            give_up(study, trial)
            raise
        ended += 1
        failed += [reason] if reason else []
        if ended == len(failed) == FAILURES:
            raise ValueError(f"the first {FAILURES} trials all failed, see {search.folder}: {failed[-1]}")


def conduct(search: Search, trial: Trial, slot: int) -> str | None:
    """Run one trial to its end; returns why it failed, if it did."""

    def go_on(epoch: int, value: float) -> bool:
        trial.report(value, epoch)
        beat(trial)
        search.changed()
        return not trial.should_prune()

    try:
        outcome = search.train(trial, slot, go_on, partial(beat, trial))
        if outcome.reason is not None:
            trial.set_user_attr(REASON, outcome.reason)
            search.study.tell(trial, state=TrialState.FAIL)
        elif outcome.stopped:
            search.study.tell(trial, state=TrialState.PRUNED)
        else:
            search.study.tell(trial, outcome.values[-1])
    except UpdateFinishedTrialError:  # this worker was silent for so long that another took the trial up
        return None
    finally:
        search.changed()
    return outcome.reason
