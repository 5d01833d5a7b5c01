"""One number per seed under two settings: which is larger?

Student's t-test of the differences. Wilcoxon's signed ranks cannot reach 5 % with five seeds, whatever they say.
"""

import math
import statistics
import sys
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import t as student

from cifar_mlp.common.spread import half_interval

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
MORE, LESS, NO_LESS, SAME = "more", "less", "no less", "the same"
TEST = "paired t-test"


class Part(NamedTuple):
    """One comparison that a statement rests on.

    Attributes:
        claim: In words, e.g. ``"three layers above two, validation"``.
        expected: ``more`` or ``less`` than zero, ``no less`` than minus the margin, ``the same`` within the margin.
        differences: First minus second, in points, one per seed.
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
        """Confidence interval of the mean difference; infinite with fewer than two seeds."""
        half = half_interval(self.differences, level)
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference. Against a margin one-sided; of two such tests the larger."""
        if self.expected == NO_LESS:
            return 1 - self._below(-self.margin)
        if self.expected == SAME:
            return max(1 - self._below(-self.margin), self._below(self.margin))
        return 2 * min(self._below(0.0), 1 - self._below(0.0))

    def _below(self, shift: float) -> float:
        """Probability of a mean as small as ours if the true one is ``shift``; needs two seeds."""
        count = len(self.differences)
        error = statistics.stdev(self.differences) / math.sqrt(count)
        error = max(error, sys.float_info.min)  # seeds that agree exactly
        return float(student.cdf((self.mean - shift) / error, count - 1))

    def verdict(self, parts: int = 1) -> str:
        """``holds`` at 95 %, ``does not hold`` or ``inconclusive``.

        Args:
            parts: Parts of the statement. One contradicted part contradicts it, so each is tested more strictly the
                more there are.
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
