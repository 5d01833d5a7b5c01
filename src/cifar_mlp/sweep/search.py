"""A whole sweep: search, confirm, and leave the best config and its pictures."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from rich.console import Console

from cifar_mlp.callbacks.run_record import records
from cifar_mlp.sweep.config import arguments, base_values, require_options
from cifar_mlp.sweep.process import Outcome, run_fit
from cifar_mlp.sweep.samplers import GivenPoint, grid_of, sampler_of
from cifar_mlp.sweep.storage import open_storage, open_study
from cifar_mlp.sweep.sweep_file import Options, Space
from cifar_mlp.sweep.table import BASE_CONFIG, LiveTable
from cifar_mlp.sweep.worker import Search, work

Propose = Callable[[Trial, int], list[str]]  # given a trial and its slot, what cifar-mlp fit takes


class Candidate(NamedTuple):
    """Settings found, with what speaks for them.

    Attributes:
        trial: The trial of the search.
        options: Drawn values; ``None`` for the base config as it stands.
        confirmed: Validation accuracies over the seeds of the confirmation; empty without one.
    """

    trial: FrozenTrial
    options: Options | None
    confirmed: list[float]

    @property
    def score(self) -> float:
        """What candidates are chosen by: the mean over new seeds where there are any."""
        return statistics.fmean(self.confirmed) if self.confirmed else self.trial.values[0]


class Found(NamedTuple):
    """What a sweep ends with.

    Attributes:
        trials: The search's trials in their slots.
        candidates: The best first; the base config is among them if it was completed.
    """

    trials: list[FrozenTrial]
    candidates: list[Candidate]


def run_sweep(space: Space, where: str, output: Path, console: Console) -> Found:
    """Search and confirm, beside however many other workers.

    Args:
        space: The sweep.
        where: Journal file or PostgreSQL URL.
        output: Folder of the trials.
        console: Where to show progress.

    Raises:
        ValueError: For options that the command line does not take, a storage that cannot be opened, or a search whose
            trials all fail.
    """
    require_options(space)
    base = base_values(space)
    grid = grid_of(space, base)
    size = min(space.trials, 1 + len(grid)) if space.sampler == "grid" else space.trials
    storage = open_storage(where)
    study = open_study(storage, space.name, space.fingerprint, _pruner(space))
    trials = _shown(console, space.name, study, size, _proposals(space, study, base, grid), output / "trials")
    complete = [Candidate(trial, trial.params if slot else None, []) for slot, trial in enumerate(trials)
                if trial.state == TrialState.COMPLETE]  # fmt: skip
    if not complete:
        raise ValueError(f"no trial was completed, see {output / 'trials'}")
    candidates = sorted(complete, key=lambda candidate: candidate.score, reverse=True)
    if space.confirm is not None:
        candidates = confirm(space, storage, candidates, output / "confirmation", console)
    return Found(trials, candidates)


def confirm(
    space: Space, storage: BaseStorage, candidates: Sequence[Candidate], folder: Path, console: Console
) -> list[Candidate]:
    """Run the best candidates, and the base config, with new seeds.

    Args:
        space: The sweep.
        storage: Where the study of the reruns is kept too.
        candidates: The best first.
        folder: Where the reruns' folders are made.
        console: Where to show progress.

    Returns:
        Those that were run again, the best by their mean first. One with a failed rerun is left out.
    """
    assert space.confirm is not None
    chosen = list(candidates[: space.confirm.top])
    chosen += [candidate for candidate in candidates[space.confirm.top :] if candidate.options is None]
    reruns = [(candidate, seed) for seed in space.confirm.seeds for candidate in chosen]
    numbers = "-".join(str(candidate.trial.number) for candidate in chosen)
    name = f"{space.name}/confirmation of {numbers}, seeds {'-'.join(map(str, space.confirm.seeds))}"
    study = open_study(storage, name, space.fingerprint, NopPruner())

    def propose(trial: Trial, slot: int) -> list[str]:
        candidate, seed = reruns[slot]
        trial.set_user_attr("rerun", {"of trial": candidate.trial.number, "seed": seed})
        return [*arguments(space, candidate.options), f"--seed_everything={seed}"]

    runs = _shown(console, f"{space.name}, confirmation", study, len(reruns), propose, folder / numbers)
    confirmed = [
        candidate._replace(confirmed=[
            run.values[0] for run, (other, _) in zip(runs, reruns, strict=True) if other is candidate and run.values
        ])
        for candidate in chosen
    ]  # fmt: skip
    whole = [candidate for candidate in confirmed if len(candidate.confirmed) == len(space.confirm.seeds)]
    if not whole:
        raise ValueError(f"no rerun of the best trials was completed, see {folder / numbers}")
    return sorted(whole, key=lambda candidate: candidate.score, reverse=True)


def _shown(
    console: Console, title: str, study: optuna.Study, size: int, propose: Propose, folder: Path
) -> list[FrozenTrial]:
    with LiveTable(console, study, size, title) as board:

        def train(trial: Trial, slot: int, go_on: Callable[[int, float], bool], alive: Callable[[], None]) -> Outcome:
            fit_arguments, place = propose(trial, slot), folder / f"{trial.number:04d}"
            trial.set_user_attr("folder", str(place))
            board.changed()
            outcome = run_fit(fit_arguments, place, go_on, alive)
            for record in place.rglob("provenance.json"):
                trial.set_user_attr("provenance", records(record.parent)[-1])
            return outcome

        return work(Search(study, size, train, folder, board.changed))


def _pruner(space: Space) -> BasePruner:
    if space.pruning is None:
        return NopPruner()
    return MedianPruner(space.pruning.startup_trials, space.pruning.warmup_epochs)


def _proposals(space: Space, study: optuna.Study, base: Options, grid: list[Options]) -> Propose:
    def propose(trial: Trial, slot: int) -> list[str]:
        drawn = space.search if slot else {name: space.search[name] for name in base}
        study.sampler = sampler_of(space, slot, grid) if slot else GivenPoint(base)
        options = {name: _draw(trial, name, distribution) for name, distribution in drawn.items()}
        if slot == 0:
            trial.set_user_attr(BASE_CONFIG, space.base.stem)
        return arguments(space, options if slot else None)

    return propose


def _draw(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    suggest: Any = trial.suggest_int if isinstance(distribution, IntDistribution) else trial.suggest_float
    return suggest(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
