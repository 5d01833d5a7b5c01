"""What a sweep leaves: the best config with its provenance, and pictures of the search."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import optuna
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from cifar_mlp.common.results import percent
from cifar_mlp.pictures.style import save_figure
from cifar_mlp.pictures.sweep_plots import history, importance, parallel_coordinates
from cifar_mlp.sweep.config import arguments, config_text, write_config
from cifar_mlp.sweep.search import Candidate, Found
from cifar_mlp.sweep.sweep_file import Space

SEEN_BY = 4  # completed trials that importance and parallel coordinates need to show anything


def write_best_config(space: Space, found: Found, output: Path) -> Path:
    """Write the best candidate as a config ready for ``cifar-mlp fit --config``; returns its path."""
    best = found.candidates[0]
    path = output / f"{space.name}_best.yaml"
    write_config(path, provenance_lines(space, found, path), config_text(arguments(space, best.options)))
    return path


def provenance_lines(space: Space, found: Found, path: Path) -> list[str]:
    """Where the best config comes from, a line each."""
    best = found.candidates[0]
    record = best.trial.user_attrs.get("provenance")
    day = f"{best.trial.datetime_complete:%Y-%m-%d}"
    lines = [
        f"Found by cifar-mlp sweep {space.path}: trial {best.trial.number} of {len(found.trials)}, sampler "
        f"{space.sampler}, seed {space.seed}.",
        f"Validation accuracy at the last epoch, in percent: {percent([best.trial.values[0]])} in the search"
        + (f", {percent(best.confirmed)} over other seeds {_seeds(space)}." if best.confirmed else "."),
    ]
    for other in found.candidates:
        if best.confirmed and best.options is not None and other.options is None:
            lines.append(f"The base config {space.base.stem} over the same seeds: {percent(other.confirmed)}.")
    if record:  # none where the config turns the logger off
        made = "{fit_seconds} s a fit; {device}; precision {precision}; torch {torch}".format_map(record)
        lines.append(f"{made}; {day}; commit {record['commit']}")
    lines.append(f"Run:  cifar-mlp fit --config {path}")
    return lines


def _seeds(space: Space) -> str:
    return ", ".join(map(str, space.confirm.seeds)) if space.confirm else ""


def candidate_lines(space: Space, candidates: Sequence[Candidate]) -> list[str]:
    """One line for each candidate that was confirmed."""
    return [
        f"trial {candidate.trial.number}{' (the base config)' if candidate.options is None else ''}: validation "
        f"{percent([candidate.trial.values[0]])} % in the search, {percent(candidate.confirmed)} % over seeds "
        f"{_seeds(space)}"
        for candidate in candidates
        if candidate.confirmed
    ]


def write_pictures(space: Space, study_name: str, trials: Sequence[FrozenTrial], output: Path) -> list[Path]:
    """Draw the search; returns the pictures' paths. Those that need more completed trials are left out."""
    drawn: dict[str, Figure] = {
        "history": history(
            study_name,
            [(trial.number, trial.state.name, trial.values[0]) for trial in trials if trial.values],
        )
    }
    complete = [
        trial for trial in trials if trial.state == TrialState.COMPLETE and trial.params.keys() == space.search.keys()
    ]
    values = [trial.values[0] for trial in complete]
    if len(complete) >= SEEN_BY and statistics.pstdev(values) > 0:
        drawn["parallel_coordinates"] = parallel_coordinates(
            study_name, {name: [trial.params[name] for trial in complete] for name in space.search}, values,
            {name for name, distribution in space.search.items() if getattr(distribution, "log", False)},
        )  # fmt: skip
        apart = optuna.create_study(direction="maximize")  # the trials in their slots alone
        apart.add_trials(complete)
        shares = optuna.importance.get_param_importances(
            apart, params=list(space.search), evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
        drawn["importance"] = importance(study_name, shares, len(complete))
    for name, figure in drawn.items():
        save_figure(figure, output / f"{name}.png")
    return [output / f"{name}.png" for name in drawn]
