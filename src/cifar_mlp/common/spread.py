"""Repeated measurements: median, quartiles and range; the mean and its interval."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Sample:
    """One value or more of the same kind, such as an accuracy for each seed, and what they say of their mean.

    Attributes:
        values: In any unit; mean, deviation and intervals have the same.
    """

    values: Sequence[float]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Standard deviation, n - 1 in the denominator; 0 for a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def half(self, level: float = 0.95) -> float:
        """Half the width of Student's interval for the mean; 0 if all are equal, infinite for a single value."""
        from scipy.stats import sem
        from scipy.stats import t as student

        if len(self.values) < 2:
            return math.inf
        return float(student.ppf(0.5 + level / 2, len(self.values) - 1) * sem(self.values))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's interval for the mean."""
        return self.mean - self.half(level), self.mean + self.half(level)

    @property
    def one_more(self) -> float:
        """Half the width of the 95 % prediction interval of one more value; infinite for a single one."""
        return self.half() * math.sqrt(len(self.values) + 1)
