"""The live table: what runs, what is best so far, how long it will take."""

import statistics
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from cifar_mlp.sweep.heartbeat import WORKER
from cifar_mlp.sweep.slots import REASON, holders

BEST_SHOWN, FAILED_SHOWN = 10, 3
BASE_CONFIG = "base config"
WIDTH = 120  # columns where the output is no terminal
STATES = {
    TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed", TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}  # fmt: skip


class LiveTable:
    """Shows a study while it is worked on: a table on a terminal, a line for each ended trial elsewhere.

    Args:
        console: Where to print.
        study: The study.
        size: Trials in all.
        title: What is searched.
    """

    def __init__(self, console: Console, study: Study, size: int, title: str) -> None:
        self.console, self.study, self.size, self.title = console, study, size, title
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._told: set[int] = set()

    def __enter__(self) -> "LiveTable":
        if self._live is not None:
            self._live.start()
        else:
            self._told = {trial.number for trial in holders(self.study, self.size) if trial.state.is_finished()}
            self.console.print(self.headline(holders(self.study, self.size)), highlight=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def changed(self) -> None:
        """Show how things stand."""
        trials = holders(self.study, self.size)
        if self._live is not None:
            self._live.update(Group(self.headline(trials), trial_table(trials)), refresh=True)
            return
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._told:
                self._told.add(trial.number)
                line = "  ".join(("trial", *_cells(trial)[:5], _settings(trial)))
                self.console.print(f"{line}\n{self.headline(trials)}", highlight=False, soft_wrap=True)

    def headline(self, trials: Sequence[FrozenTrial]) -> str:
        """How many are done, which is best, how long the rest takes."""
        counts = {state: sum(trial.state == state for trial in trials) for state in STATES}
        ended = sum(count for state, count in counts.items() if state.is_finished())
        shown = [f"{self.title}: {ended} of {self.size} trials"]
        shown += [
            f"{count} {STATES[state]}" for state, count in counts.items() if count and state != TrialState.WAITING
        ]
        best = max((trial for trial in trials if trial.state == TrialState.COMPLETE), key=_value, default=None)
        if best is not None:
            shown.append(f"best {100 * _value(best):.1f} % (trial {best.number})")
        seconds = [trial.duration.total_seconds() for trial in trials if trial.duration is not None]
        if seconds and ended < self.size:
            minutes = statistics.fmean(seconds) * (self.size - ended) / max(1, counts[TrialState.RUNNING]) / 60
            shown.append(f"about {minutes:.0f} min left" if minutes >= 1 else "under a minute left")
        return ", ".join(shown)


def trial_table(trials: Sequence[FrozenTrial]) -> Table:
    """What runs, then the best, then the last failures."""
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    ended = sorted((trial for trial in trials if trial.values is not None), key=_value, reverse=True)
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    table = Table("trial", "state", "validation", "epochs", "time", "settings")
    for trial in [*running, *complete[:BEST_SHOWN], *failed[-FAILED_SHOWN:]]:
        table.add_row(*_cells(trial), _settings(trial))
    return table


def _cells(trial: FrozenTrial) -> tuple[str, str, str, str, str]:
    values = trial.intermediate_values
    value = trial.values[0] if trial.values else values[max(values)] if values else None
    took = "" if trial.duration is None else f"{trial.duration.total_seconds():.0f} s"
    state = STATES[trial.state]
    if trial.state == TrialState.RUNNING and WORKER in trial.user_attrs:
        state += f" ({trial.user_attrs[WORKER][0].split('/')[0]}, {trial.user_attrs[WORKER][1]})"
    accuracy = "" if value is None else f"{100 * value:.1f} %"
    return str(trial.number), state, accuracy, str(len(values)), took


def _settings(trial: FrozenTrial) -> str:
    if REASON in trial.user_attrs:
        return str(trial.user_attrs[REASON])
    if BASE_CONFIG in trial.user_attrs:
        return f"the base config, {trial.user_attrs[BASE_CONFIG]}"
    named = trial.params or trial.user_attrs.get("rerun", {})
    return "  ".join(
        f"{name.rsplit('.', 1)[-1]} {value:.3g}" if isinstance(value, float) else f"{name.rsplit('.', 1)[-1]} {value}"
        for name, value in named.items()
    )


def _value(trial: FrozenTrial) -> float:
    return trial.values[0]
