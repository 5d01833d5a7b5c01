"""What the report says in words, as comparisons of runs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cifar_mlp.common.results import Row
from cifar_mlp.reproduction.paired import LESS, MORE, Part, Range, no_less, together, within
from cifar_mlp.reproduction.plan import (
    DROPOUT,
    FIVE,
    FOUR,
    LEAKY,
    LONGER,
    MIXED,
    PIXELS,
    RATE,
    RELU_25,
    THREE,
    TUNED,
    TWO,
    WIDTH,
    Variant,
)  # fmt: skip

Measure = Callable[[Row], float]  # points
MARGIN = 1.0  # points of accuracy that count as no difference
EARLY = 2  # epochs after which a fast start shows


class Statement(NamedTuple):
    """One statement of the report.

    Attributes:
        words: The report's.
        note: How we read it.
        parts: Its comparisons; those without runs are missing.
        verdict: In words.
    """

    words: str
    note: str
    parts: list[Part]
    verdict: str


class Term(NamedTuple):
    """One setting's share in a comparison."""

    weight: float
    variant: Variant
    measure: Measure


class Comparison(NamedTuple):
    """A weighted sum of what several settings measure, seed by seed, and what is expected of it."""

    claim: str
    expected: Range
    terms: tuple[Term, ...]


def last_validation(row: Row) -> float:
    """Validation accuracy at the last epoch, percent."""
    return 100 * float(row["last"]["val/accuracy"])


def last_training(row: Row) -> float:
    """Training accuracy over the last epoch, percent."""
    return 100 * float(row["curves"]["train/accuracy"][-1])


def gap(row: Row) -> float:
    """Training minus validation accuracy at the end, points."""
    return last_training(row) - last_validation(row)


def validation_after(epoch: int) -> Measure:
    """Validation accuracy after so many epochs, percent."""
    return lambda row: 100 * float(row["curves"]["val/accuracy"][epoch - 1])


def _compare(
    claim: str, first: Variant, second: Variant, expected: Range, measure: Measure = last_validation
) -> Comparison:
    return Comparison(claim, expected, (Term(1, first, measure), Term(-1, second, measure)))


STATED: list[tuple[str, str, list[Comparison]]] = [
    (
        "By increasing the number of layers the validation accuracy increased except the last, which slightly dropped",
        "Validation accuracy after 20 epochs, network by network.",
        [
            _compare("550-128 above 550", THREE, TWO, MORE),
            _compare("550-128-100 above 550-128", FOUR, THREE, MORE),
            _compare("550-250-180-120 below 550-128-100", FIVE, FOUR, LESS),
        ],
    ),
    (
        "Dropout slightly reduced it",
        "550-128-100 with dropout after each layer; the rate is the one of 0.1, 0.2, 0.3 and 0.5 that was best on "
        "validation, which favours dropout.",
        [_compare("with dropout below without", DROPOUT, FOUR, LESS)],
    ),
    (
        "LeakyReLU had the most impact",
        "On 550-128-100, at equal epochs, and more than the layers brought. (The report compares it after 25 epochs "
        "with ReLU after 20.)",
        [
            _compare("LeakyReLU above ReLU, both after 20 epochs", LEAKY, FOUR, MORE, validation_after(20)),
            _compare("LeakyReLU above ReLU, both after 25 epochs", LEAKY, RELU_25, MORE),
            Comparison(
                "this gain, after 20 epochs, above that of 550-128-100 over 550", MORE,
                (Term(1, LEAKY, validation_after(20)), Term(-2, FOUR, last_validation), Term(1, TWO, last_validation)),
            ),
        ],
    ),
    (
        "A smaller learning rate needs more epochs and can get stuck",
        "Question 3b's tuned network, 3e-4 against 1e-3; stuck: three times the steps do not help, since "
        "the rate keeps decaying.",
        [
            _compare("3e-4 below 1e-3 after 5 epochs", RATE["3e-4"], TUNED, LESS, validation_after(5)),
            _compare("3e-4 after 18,000 steps still below 1e-3 after 6,000", LONGER, TUNED, LESS),
        ],
    ),
    (
        "A larger learning rate converges fast to something worse",
        f"Question 3b's tuned network, 3e-3 against 1e-3; fast: ahead after {EARLY} epochs.",
        [
            _compare(f"3e-3 above 1e-3 after {EARLY} epochs", RATE["3e-3"], TUNED, MORE, validation_after(EARLY)),
            _compare("3e-3 below 1e-3 at the end", RATE["3e-3"], TUNED, LESS),
        ],
    ),
    (
        "Too few hidden units under-fit",
        "Question 3b's tuned network, 50 units against 600.",
        [
            _compare("50 units below 600, validation", WIDTH["50"], TUNED, LESS),
            _compare("50 units below 600, training", WIDTH["50"], TUNED, LESS, last_training),
        ],
    ),
    (
        "Too many hidden units over-fit",
        "Question 3b's tuned network, 2,400 units against 600.",
        [
            _compare("2,400 units below 600, validation", WIDTH["2400"], TUNED, LESS),
            _compare(
                "2,400 units have the larger gap between training and validation", WIDTH["2400"], TUNED, MORE, gap,
            ),
        ],
    ),
    (
        "PCA keeps the essential part of the variation and drops the rest",
        f"510 components against all 3,072 pixels at equal settings; kept: no more than {MARGIN:g} point lost.",
        [_compare("510 components no worse than all pixels", TUNED, PIXELS, no_less(MARGIN))],
    ),
]  # fmt: skip
OURS: list[tuple[str, str, list[Comparison]]] = [
    (
        "Ours, not the report's: bf16-mixed trains as well as 32-true",
        f"The report's best network; as well: within {MARGIN:g} point.",
        [_compare("bf16-mixed the same as 32-true", MIXED, LEAKY, within(MARGIN))],
    ),
]


def judged(rows: Sequence[Row]) -> list[Statement]:
    """Every statement; the verdict is ``not run`` where runs are missing."""
    statements = []
    for words, note, comparisons in [*STATED, *OURS]:
        found = [part for comparison in comparisons if (part := _part(comparison, rows)) is not None]
        whole = len(found) == len(comparisons)
        statements.append(Statement(words, note, found, together(found) if whole else "not run"))
    return statements


def _part(comparison: Comparison, rows: Sequence[Row]) -> Part | None:
    found = [(term, {row["seed"]: row for row in term.variant.rows_in(rows)}) for term in comparison.terms]
    seeds = set.intersection(*(set(by_seed) for _, by_seed in found))
    try:
        differences = tuple(
            sum(term.weight * term.measure(by_seed[seed]) for term, by_seed in found) for seed in sorted(seeds)
        )
    except (KeyError, IndexError):  # a run of fewer epochs, or one that kept no curves
        return None
    return Part(comparison.claim, comparison.expected, differences) if differences else None
