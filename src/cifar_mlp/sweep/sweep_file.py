"""What a sweep file asks for, read and checked."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cifar_mlp.common.results import config_fingerprint

SAMPLERS = ("random", "grid", "tpe")
Options = dict[str, Any]

_KEYS = {"base", "settings", "search", "sampler", "seed", "trials", "pruning", "confirm"}
_SET_BY_THE_SWEEP = ("seed_everything", "data.seed", "trainer.default_root_dir", "trainer.callbacks", "trainer.logger",
                     "config", "ckpt_path")  # fmt: skip
_DECIDES_WHAT_IS_MEASURED = ("data.source", "data.root", "data.split", "data.val_size", "data.num_folds", "data.fold")


@dataclass(frozen=True)
class Pruning:
    """Stop a trial whose best validation accuracy is below the median of the others at the same epoch.

    Attributes:
        warmup_epochs: Epochs that every trial may run.
        startup_trials: Completed trials before any is stopped.
    """

    warmup_epochs: int = 3
    startup_trials: int = 5


@dataclass(frozen=True)
class Confirmation:
    """Run the best trials again with other seeds and choose by their mean.

    Attributes:
        top: Trials to run again; the base config joins them for comparison.
        seeds: Seeds of the reruns; the search itself runs every trial with the base config's seed.
    """

    top: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """A sweep: which settings, how they are drawn, how many trials.

    Attributes:
        name: The file's name without its suffix; the study's name.
        path: The sweep file.
        base: The config that every trial starts from; the first trial is this config.
        settings: Options beyond the config in every trial but the first, not searched.
        search: Distribution of each searched option by its dotted name.
        sampler: random, grid or tpe.
        seed: Decides what is drawn.
        trials: Trials in all, over all workers.
        pruning: When to stop a trial early; ``None`` for never.
        confirm: How the best trials are confirmed; ``None`` for not at all.
    """

    name: str
    path: Path
    base: Path
    settings: Options
    search: dict[str, BaseDistribution]
    sampler: str
    seed: int
    trials: int
    pruning: Pruning | None
    confirm: Confirmation | None

    @property
    def fingerprint(self) -> str:
        """A hash of all that makes trials comparable: everything but their number and the confirmation."""
        drawn = {name: repr(distribution) for name, distribution in self.search.items()}
        document = [config_fingerprint(self.base), self.settings, drawn, self.sampler, self.seed, repr(self.pruning)]
        return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:12]


def read_space(path: Path) -> Space:
    """Read and check a sweep file; whether its options exist, only the command line's parser can say.

    Raises:
        FileNotFoundError, ValueError: For invalid settings; names the file and the key.
    """

    def refuse(message: str) -> NoReturn:
        raise ValueError(f"{path}: {message}")

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such sweep file")
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        refuse(f"no YAML: {error}")
    if not isinstance(document, dict):
        refuse(f"must hold settings by name, not {document!r}")
    if document.keys() & {"objective", "metric", "monitor"}:
        refuse("the objective is always validation accuracy at the last epoch, test images stay untouched: drop it")
    for key in document.keys() - _KEYS:
        refuse(f"unknown key {key!r}; there are {', '.join(sorted(_KEYS))}")
    base = path.parent / str(document.get("base"))
    if "base" not in document or not base.is_file():
        refuse(f"base must name a config, seen from this file's folder; there is no {base}")
    search = {str(name): _distribution(str(name), given, refuse) for name, given in _table(document, "search", refuse)}
    settings = {str(name): value for name, value in _table(document, "settings", refuse)}
    if not search:
        refuse("search must name at least one option, e.g. model.optimizer.lr: {low: 1.0e-4, high: 0.1, log: true}")
    for name in [*search, *settings]:
        if name in _SET_BY_THE_SWEEP:
            refuse(f"{name} is set by the sweep itself: drop it")
    for name in search:
        if name in settings:
            refuse(f"{name} stands under both search and settings: drop one")
        if name in _DECIDES_WHAT_IS_MEASURED:
            refuse(f"{name} decides on which images trials are compared and cannot be searched")
    sampler = document.get("sampler", "tpe")
    if sampler not in SAMPLERS:
        refuse(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")
    trials = _whole("trials", document.get("trials"), 1, refuse)
    seed = _whole("seed", document.get("seed", 0), 0, refuse)
    pruning = document.get("pruning")
    if pruning is not None:
        values = dict(_table(document, "pruning", refuse, ("warmup_epochs", "startup_trials")))
        pruning = Pruning(**{name: _whole(f"pruning.{name}", value, 0, refuse) for name, value in values.items()})
    confirm = _confirmation(document, refuse) if document.get("confirm") is not None else None
    return Space(path.stem, path, base, settings, search, sampler, seed, trials, pruning, confirm)


def _confirmation(document: dict[str, Any], refuse: Any) -> Confirmation:
    values = dict(_table(document, "confirm", refuse, ("top", "seeds")))
    seeds = values.get("seeds")
    if not isinstance(seeds, list) or not seeds or len(set(map(repr, seeds))) < len(seeds):
        refuse(f"confirm.seeds must be a list of different seeds, e.g. [1, 2, 3], not {seeds!r}")
    top = _whole("confirm.top", values.get("top"), 1, refuse)
    return Confirmation(top, tuple(_whole("confirm.seeds", seed, 0, refuse) for seed in seeds or ()))


def _table(document: dict[str, Any], key: str, refuse: Any, known: tuple[str, ...] = ()) -> list[tuple[str, Any]]:
    table = document.get(key) or {}
    if not isinstance(table, dict):
        refuse(f"{key} must hold values by name, not {table!r}")
    for name in table:
        if known and name not in known:
            refuse(f"unknown key {key}.{name}; there are {', '.join(known)}")
    return list(table.items())


def _whole(key: str, value: Any, least: int, refuse: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        refuse(f"{key} must be a whole number, {least} or more, not {value!r}")
    return value


def _number(key: str, value: Any, refuse: Any) -> int | float:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value):
        return float(value)  # YAML takes 1e-3 for a word
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(f"{key} must be a number, not {value!r}")
    return value


def _distribution(name: str, given: Any, refuse: Any) -> BaseDistribution:
    """A list is a choice; low and high are a range, of whole numbers where both are."""
    if isinstance(given, list):
        choices = [encode(choice) for choice in given]
        if not choices or len(set(map(repr, choices))) < len(choices):
            refuse(f"search.{name} must list at least one value and none twice, not {given!r}")
        return CategoricalDistribution(choices)
    if not isinstance(given, dict) or not {"low", "high"} <= given.keys() <= {"low", "high", "step", "log"}:
        refuse(f"search.{name} must be a list of values, or low and high with log or step, not {given!r}")
    low, high = (_number(f"search.{name}.{end}", given[end], refuse) for end in ("low", "high"))
    log = given.get("log", False)
    step = None if given.get("step") is None else _number(f"search.{name}.step", given["step"], refuse)
    if not low < high or not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        refuse(f"search.{name} needs low < high; log is true or false, takes no step, and needs low > 0")
    whole = isinstance(low, int) and isinstance(high, int) and isinstance(step, int | None)
    if step is not None and (step <= 0 or abs((high - low) / step - round((high - low) / step)) > 1e-9):
        refuse(f"search.{name}.step must divide high - low, as {step} does not")
    if whole:
        return IntDistribution(int(low), int(high), log=log, step=1 if step is None else int(step))
    return FloatDistribution(float(low), float(high), log=log, step=step)


def encode(value: Any) -> Any:
    """A value as a choice that any storage holds: lists and tables as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value
