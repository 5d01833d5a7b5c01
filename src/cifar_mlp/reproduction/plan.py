"""Every experiment of the report, and of the studies behind its words, as data."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cifar_mlp.common.bounded_yaml import load_yaml
from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import Row, of_config

TOY = ("q1", "q2", "q3a")  # computed in the script itself, in a second
SEEDS, STUDY_SEEDS = 5, 3
# 4b and 4c are the same settings, which the report trained twice: other seeds make another training of it.
FIRST_SEED = {"q4_two_layer_4b": 100}


class Variant(NamedTuple):
    """A config and what is changed in it."""

    config: str
    options: tuple[str, ...] = ()

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Changed options and their values."""
        return [*zip(self.options[::2], self.options[1::2], strict=True)]

    @property
    def name(self) -> str:
        """Config and changes in one word, also the name of a folder: ``q4_best,max_epochs=20``."""
        changes = [f"{name.rsplit('.', 1)[-1]}={value.strip('[]').replace(',', '-')}" for name, value in self.changes]
        return ",".join([self.config, *changes])

    def rows_in(self, rows: Sequence[Row]) -> list[Row]:
        """Its runs, of any seed."""
        return of_config(rows, self.config, *self.options)


class Planned(NamedTuple):
    """One run."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """For people: ``q4_best, seed 0``."""
        return f"{self.variant.name}, seed {self.seed}"


class Study(NamedTuple):
    """One setting at several values.

    Attributes:
        title: Of its table.
        axis: What is set, for its picture.
        variants: By the label on the axis.
    """

    title: str
    axis: str
    variants: dict[str, Variant]


def changed(variant: Variant, option: str, value: str) -> Variant:
    """The variant with one option more."""
    return Variant(variant.config, (*variant.options, f"--{option}", value))


BASELINE, TUNED = Variant("q3_baseline"), Variant("q3_pca510")
TWO, THREE, FOUR, FIVE = map(Variant, ("q4_two_layer", "q4_three_layer", "q4_four_layer", "q4_five_layer"))
DROPOUT, LEAKY = Variant("q4_dropout"), Variant("q4_best")
RELU_25 = changed(FOUR, "trainer.max_epochs", "25")
RATE = {rate: changed(TUNED, "model.optimizer.lr", rate) for rate in ("1e-4", "3e-4", "2e-3", "3e-3")}
LONGER = changed(RATE["3e-4"], "trainer.max_steps", "18000")
WIDTH = {width: changed(TUNED, "model.hidden_sizes", f"[{width}]") for width in ("10", "50", "200", "1200", "2400")}
COMPONENTS = {count: changed(TUNED, "data.n_components", count) for count in ("20", "50", "100", "200", "1000")}
PIXELS = changed(TUNED, "data.n_components", "null")
MIXED = changed(LEAKY, "trainer.precision", "bf16-mixed")

STUDIES = {
    "depth": Study("Depth, at equal epochs", "hidden layers", {
        "none\n(linear)": changed(TWO, "model.hidden_sizes", "[]"),
        "550": TWO, "550-128": THREE, "550-128-100": FOUR, "550-250-\n180-120": FIVE,
        "550-250-180-\n120-100": changed(FIVE, "model.hidden_sizes", "[550,250,180,120,100]"),
    }),
    "dropout": Study("Dropout on 550-128-100", "dropout after each hidden layer", {
        "none": FOUR, "0.1": DROPOUT,
        **{rate: changed(DROPOUT, "model.dropout", rate) for rate in ("0.2", "0.3", "0.5")},
    }),
    "activation": Study("Activations on 550-128-100", "activation, epochs", {
        "ReLU\n20": FOUR, "LeakyReLU\n20": changed(LEAKY, "trainer.max_epochs", "20"),
        **{f"{name}\n20": changed(FOUR, "model.activation", name.lower()) for name in ("GELU", "SiLU", "tanh")},
        "ReLU\n25": RELU_25, "LeakyReLU\n25": LEAKY,
    }),
    "rate": Study("Learning rate against epochs (3b)", "learning rate, steps", {
        "1e-4\n6,000": RATE["1e-4"], "3e-4\n6,000": RATE["3e-4"], "3e-4\n18,000": LONGER, "1e-3\n6,000": TUNED,
        "2e-3\n6,000": RATE["2e-3"], "3e-3\n6,000": RATE["3e-3"],
    }),
    "width": Study("Hidden width (3b)", "hidden units", {
        "10": WIDTH["10"], "50": WIDTH["50"], "200": WIDTH["200"], "600": TUNED, "1200": WIDTH["1200"],
        "2400": WIDTH["2400"],
    }),
    "components": Study("Components, and PCA against none, at equal settings (3b)", "principal components", {
        **{count: COMPONENTS[count] for count in ("20", "50", "100", "200")}, "510": TUNED,
        "1000": COMPONENTS["1000"], "all pixels": PIXELS,
    }),
    "precision": Study("Precision: bf16-mixed against 32-true", "precision", {"32-true": LEAKY, "bf16-mixed": MIXED}),
}  # fmt: skip


def groups() -> dict[str, tuple[Variant, ...]]:
    """What ``--only`` can name: questions, configs, studies, ``studies`` for all of them."""
    configs = {name: (Variant(name),) for name in REPORT}
    questions = {
        question: tuple(variant for name, (variant,) in configs.items() if name.startswith(question))
        for question in ("q3", "q4")
    }
    studies = {name: tuple(study.variants.values()) for name, study in STUDIES.items()}
    together = tuple(dict.fromkeys(variant for study in studies.values() for variant in study))
    return {**dict.fromkeys(TOY, ()), **questions, **configs, **studies, "studies": together}


def chosen(only: Sequence[str] | None) -> tuple[list[Variant], list[Variant], bool]:
    """What to run.

    Args:
        only: Names of :func:`groups`; ``None`` for questions 1 to 4.

    Returns:
        The report's configs, the studies' variants beyond them, and whether the toy is requested.

    Raises:
        ValueError: For an unknown name, with the nearest known one.
    """
    known = groups()
    names = [*REPORT, *TOY] if only is None else only
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise ValueError(f"--only {name}: no such question, config or study; {hint}")
    found: dict[bool, dict[Variant, None]] = {False: {}, True: {}}
    for name in names:
        found[name in STUDIES or name == "studies"] |= dict.fromkeys(known[name])
    return list(found[False]), list(found[True]), bool({*TOY, "q3"} & set(names))


def require_validation(wanted: Iterable[Planned], configs: Path) -> None:
    """Refuse configs that train on all images: the report's figures are of validation.

    Raises:
        ValueError: Naming the config.
    """
    for name in dict.fromkeys(planned.variant.config for planned in wanted):
        path = configs / f"{name}.yaml"
        settings: Any = load_yaml(path.read_text())
        if settings.get("data", {}).get("val_size") == 0:
            raise ValueError(f"{path}: data.val_size 0 leaves no validation, to compare with the report's: drop it")


def over_seeds(variants: Iterable[Variant], seeds: int) -> list[Planned]:
    """Runs of every variant, seed by seed: an interrupted reproduction has every variant."""
    variants = list(variants)
    return [
        Planned(variant, FIRST_SEED.get(variant.config, 0) + number) for number in range(seeds) for variant in variants
    ]
