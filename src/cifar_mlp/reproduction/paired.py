"""One number per seed under two settings: which is larger?

Student's t-test of the differences. Wilcoxon's signed ranks cannot reach 5 % with five seeds, whatever they say.
"""

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import t as student

from cifar_mlp.common.spread import Sample

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
Range = tuple[float, float]  # points
MORE, LESS = (0.0, math.inf), (-math.inf, 0.0)
TEST = "paired t-test"


def no_less(margin: float) -> Range:
    """No more than a margin below zero."""
    return -margin, math.inf


def within(margin: float) -> Range:
    """No further than a margin from zero."""
    return -margin, margin


class Part(NamedTuple):
    """One comparison that a statement rests on.

    Attributes:
        claim: In words, e.g. ``"three layers above two, validation"``.
        expected: Where the mean difference must be, in points.
        differences: First minus second, in points, one per seed.
    """

    claim: str
    expected: Range
    differences: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference. Against a margin one-sided; of two such tests the larger."""
        if 0.0 in self.expected:
            return 2 * min(self._below(0.0), 1 - self._below(0.0))
        least, most = self.expected
        return max(1 - self._below(least), self._below(most))

    def _below(self, shift: float) -> float:
        """Probability of a mean as small as ours if the true one is ``shift``; needs two seeds."""
        count, found = len(self.differences), Sample(self.differences)
        error = max(found.deviation / math.sqrt(count), sys.float_info.min)  # seeds that agree exactly
        return float(student.cdf((found.mean - shift) / error, count - 1))

    def verdict(self, parts: int = 1) -> str:
        """``holds`` at 95 %, ``does not hold`` or ``inconclusive``.

        Args:
            parts: Parts of the statement. One contradicted part contradicts it, so each is tested more strictly the
                more there are.
        """
        least, most = self.expected
        low, high = Sample(self.differences).interval()
        strict_low, strict_high = Sample(self.differences).interval(1 - 0.05 / parts)
        holds, fails = least < low and high < most, strict_high < least or strict_low > most
        return HOLDS if holds else FAILS if fails else OPEN


def together(parts: Sequence[Part]) -> str:
    """A statement's verdict: it holds if every part does, and does not if any part is contradicted."""
    verdicts = [part.verdict(len(parts)) for part in parts]
    if FAILS in verdicts:
        return FAILS
    return HOLDS if parts and set(verdicts) == {HOLDS} else OPEN
