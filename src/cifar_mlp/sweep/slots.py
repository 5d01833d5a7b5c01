"""A search has so many slots; every worker reads from the storage alone which trial holds which.

Each trial that was asked for takes a slot, in the order of its number. A trial whose worker died is lost: its slot is
taken up by a retry with the same settings. A trial without a slot (two workers asked for the last one at once), or
beside another in the same slot, is withdrawn. No lock is needed: numbers are unique, and the lower one has the slot.
"""

from collections.abc import Sequence

from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from cifar_mlp.sweep.heartbeat import is_dead

REASON, RETRY_OF, WITHDRAWN = "reason", "retry_of", "withdrawn"
Slot = list[FrozenTrial]


def is_lost(trial: FrozenTrial) -> bool:
    """Whether its worker died or was stopped; a trial that failed by itself has a reason."""
    return trial.state == TrialState.FAIL and REASON not in trial.user_attrs


def slots(trials: Sequence[FrozenTrial]) -> list[Slot]:
    """The trials of each slot, in the order of their numbers."""
    found: dict[int, Slot] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        if WITHDRAWN not in trial.user_attrs:
            root = trial.user_attrs.get(RETRY_OF, trial.number)
            found.setdefault(root, []).append(trial)
    return [found[root] for root in sorted(found)]


def holder(slot: Slot) -> FrozenTrial | None:
    """The trial that holds the slot; ``None`` if all were lost."""
    return next((trial for trial in slot if not is_lost(trial)), None)


def holders(study: Study, size: int) -> list[FrozenTrial]:
    """The trials that hold one of the first ``size`` slots."""
    return [trial for slot in slots(study.get_trials(deepcopy=False))[:size] if (trial := holder(slot))]


def take_up_lost(study: Study, size: int) -> None:
    """Mark the trials of dead workers as lost, and enqueue each lost slot's settings again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if is_dead(trial):
            give_up(study, trial)
    for slot in slots(study.get_trials(deepcopy=False))[:size]:
        if holder(slot) is None:
            study.enqueue_trial(slot[-1].params, user_attrs={RETRY_OF: slot[0].number})


def give_up(study: Study, trial: Trial | FrozenTrial) -> None:
    """End a trial as failed, unless another worker has ended it already."""
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):
        if not study.get_trials(deepcopy=False)[trial.number].state.is_finished():
            raise


def claim(study: Study, trial: Trial, size: int) -> int | None:
    """The slot of a trial just asked for, from 0; ``None``, and it is withdrawn, if there is none for it."""
    for position, slot in enumerate(slots(study.get_trials(deepcopy=False))[:size]):
        held_by = holder(slot)
        if held_by is not None and held_by.number == trial.number:
            return position
    trial.set_user_attr(WITHDRAWN, True)
    give_up(study, trial)
    return None
