"""Median, quartiles and range of repeated measurements; the interval of a mean."""

import math
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


def half_interval(values: Sequence[float], level: float = 0.95) -> float:
    """Half the width of Student's interval for the mean; 0 if all values are equal, infinite for a single one."""
    from scipy.stats import sem
    from scipy.stats import t as student

    if len(values) < 2:
        return math.inf
    return float(student.ppf(0.5 + level / 2, len(values) - 1) * sem(values))
