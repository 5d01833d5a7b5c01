"""One number per seed under two settings: which is larger?

Student's t-test of the differences. Wilcoxon's signed ranks cannot reach 5 % with five seeds, whatever they say.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import t as student

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
MORE, LESS, NO_LESS, SAME = "more", "less", "no less", "the same"
TEST = "paired t-test"


class Part(NamedTuple):
    """One comparison that a statement rests on.

    Attributes:
        claim: In words, e.g. ``"three layers above two, validation"``.
        expected: ``more`` or ``less`` than zero, ``no less`` than minus the margin, ``the same`` within the margin.
        differences: First less second, in points, one a seed.
        margin: What counts as no difference, in points.
    """

    claim: str
    expected: str
    differences: tuple[float, ...]
    margin: float = 0.0

    @property
    def mean(self) -> float:
        """Mean difference."""
        return statistics.fmean(self.differences)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the mean difference, by Student's t; all numbers with fewer than two seeds."""
        count = len(self.differences)
        if count < 2:
            return -math.inf, math.inf
        half = float(student.ppf(0.5 + level / 2, count - 1)) * statistics.stdev(self.differences) / math.sqrt(count)
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference; against the margin, one-sided and the larger of the two where there are two."""
        count = len(self.differences)
        if count < 2:
            return 1.0
        error = statistics.stdev(self.differences) / math.sqrt(count)

        def below(shift: float) -> float:
            """Probability of a mean as small as ours if the true one is ``shift``."""
            if error == 0.0:
                return 0.5 if self.mean == shift else float(self.mean > shift)
            return float(student.cdf((self.mean - shift) / error, count - 1))

        if self.expected == NO_LESS:
            return 1 - below(-self.margin)
        if self.expected == SAME:
            return max(1 - below(-self.margin), below(self.margin))
        return 2 * min(below(0.0), 1 - below(0.0))

    def verdict(self, parts: int = 1) -> str:
        """Whether it is so.

        Args:
            parts: Parts of the statement. One contradicted part contradicts it, so each is contradicted at a level
                the stricter the more there are; all must hold for it to hold, so each holds at 95 %.
        """
        low, high = self.interval()
        strict_low, strict_high = self.interval(1 - 0.05 / parts)
        holds, fails = {
            MORE: (low > 0, strict_high < 0),
            LESS: (high < 0, strict_low > 0),
            NO_LESS: (low > -self.margin, strict_high < -self.margin),
            SAME: (
                low > -self.margin and high < self.margin,
                strict_low > self.margin or strict_high < -self.margin,
            ),
        }[self.expected]
        return HOLDS if holds else FAILS if fails else OPEN


def together(parts: Sequence[Part]) -> str:
    """A statement's verdict: it holds if every part does, and does not if any part is contradicted."""
    verdicts = [part.verdict(len(parts)) for part in parts]
    if FAILS in verdicts:
        return FAILS
    return HOLDS if parts and set(verdicts) == {HOLDS} else OPEN
