"""Every experiment of the report, and of the studies behind its words, as data."""

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Row

TOY = ("q1", "q2", "q3a")  # computed in the script itself, in a second
SEEDS, STUDY_SEEDS = 5, 3
# 4b and 4c are the same settings, which the report trained twice: other seeds make another training of it.
FIRST_SEED = {"q4_two_layer_4b": 100}
# One whole epoch of 49,000 images, whatever the config asks for
QUICK = ("--trainer.max_steps", "-1", "--trainer.max_epochs", "1")


class Variant(NamedTuple):
    """A config and what is changed of it."""

    config: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Config and changes in one word, also the name of a folder: ``q4_best,max_epochs=20``."""
        quick = self.options[-len(QUICK) :] == QUICK
        options = self.options[: -len(QUICK)] if quick else self.options
        pairs = zip(options[::2], options[1::2], strict=True)
        changes = [f"{option.rsplit('.', 1)[-1]}={value.strip('[]').replace(',', '-')}" for option, value in pairs]
        return ",".join([self.config, *changes, *(["quick"] if quick else [])])


class Planned(NamedTuple):
    """One run."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """For people: ``q4_best, seed 0``."""
        return f"{self.variant.name}, seed {self.seed}"

    def is_row(self, row: Row) -> bool:
        """Whether a row is of this run."""
        mine = (self.variant.config, list(self.variant.options), self.seed)
        return mine == (row["config"], row.get("options", []), row["seed"])


def _changed(config: str, option: str, *values: str) -> tuple[Variant, ...]:
    return tuple(Variant(config, (option, value)) for value in values)


TUNED = "q3_pca510"
LONGER = Variant(TUNED, ("--model.optimizer.lr", "3e-4", "--trainer.max_steps", "18000"))
STUDIES: dict[str, tuple[Variant, ...]] = {
    "depth": (
        *_changed("q4_two_layer", "--model.hidden_sizes", "[]"),
        *map(Variant, ("q4_two_layer", "q4_three_layer", "q4_four_layer", "q4_five_layer")),
        *_changed("q4_five_layer", "--model.hidden_sizes", "[550,250,180,120,100]"),
    ),
    "dropout": (
        Variant("q4_four_layer"),
        Variant("q4_dropout"),
        *_changed("q4_dropout", "--model.dropout", "0.2", "0.3", "0.5"),
    ),
    "activation": (
        Variant("q4_four_layer"),
        *_changed("q4_best", "--trainer.max_epochs", "20"),
        *_changed("q4_four_layer", "--model.activation", "gelu", "silu", "tanh"),
        *_changed("q4_four_layer", "--trainer.max_epochs", "25"),
        Variant("q4_best"),
    ),
    "rate": (*_changed(TUNED, "--model.optimizer.lr", "1e-4", "3e-4"), LONGER, Variant(TUNED),
             *_changed(TUNED, "--model.optimizer.lr", "2e-3", "3e-3")),
    "width": (*_changed(TUNED, "--model.hidden_sizes", "[10]", "[50]", "[200]"), Variant(TUNED),
              *_changed(TUNED, "--model.hidden_sizes", "[1200]", "[2400]")),
    "components": (*_changed(TUNED, "--data.n_components", "20", "50", "100", "200"), Variant(TUNED),
                   *_changed(TUNED, "--data.n_components", "1000", "null")),
    "precision": (Variant("q4_best"), *_changed("q4_best", "--trainer.precision", "bf16-mixed")),
}  # fmt: skip


def groups() -> dict[str, tuple[Variant, ...]]:
    """What ``--only`` can name: questions, configs, studies, ``studies`` for all of them."""
    configs = {name: (Variant(name),) for name in REPORT}
    questions = {
        question: tuple(variant for name, (variant,) in configs.items() if name.startswith(question))
        for question in ("q3", "q4")
    }
    together = tuple(dict.fromkeys(variant for study in STUDIES.values() for variant in study))
    return {**dict.fromkeys(TOY, ()), **questions, **configs, **STUDIES, "studies": together}


def chosen(only: Sequence[str] | None) -> tuple[list[Variant], list[Variant], bool]:
    """What is to be run.

    Args:
        only: Names of :func:`groups`; ``None`` for questions 1 to 4.

    Returns:
        The report's configs, the studies' variants beyond them, and whether the toy is requested.

    Raises:
        ValueError: For an unknown name, with the nearest known one.
    """
    known = groups()
    names = list(REPORT) + list(TOY) if only is None else list(only)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ValueError(f"--only {name}: no such question, config or study; {hint}")
    of_report = [variant for name in names if name not in (*STUDIES, "studies") for variant in known[name]]
    of_studies = [variant for name in names if name in (*STUDIES, "studies") for variant in known[name]]
    of_report, of_studies = list(dict.fromkeys(of_report)), list(dict.fromkeys(of_studies))
    return of_report, of_studies, bool({*TOY, "q3"} & set(names))


def over_seeds(variants: Iterable[Variant], seeds: int, quick: bool = False) -> list[Planned]:
    """Runs of every variant, seed by seed, so that all is known a little before anything is known well."""
    beyond = QUICK if quick else ()
    return [
        Planned(Variant(variant.config, variant.options + beyond), FIRST_SEED.get(variant.config, 0) + number)
        for number in range(seeds)
        for variant in variants
    ]
