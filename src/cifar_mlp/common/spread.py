"""Median, quartiles and range of repeated measurements."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Median, lower and upper quartile, smallest and largest value."""

    median: float
    quartiles: tuple[float, float]
    range: tuple[float, float]


def spread(values: Sequence[float]) -> Spread:
    """The spread of one value or more."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return Spread(statistics.median(values), (low, high), (min(values), max(values)))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """The spread of ratios taken round by round, so that drift of the machine's speed cancels.

    Raises:
        ValueError: If the two do not have equally many rounds.
    """
    return spread([above / below for above, below in zip(numerators, denominators, strict=True)])
