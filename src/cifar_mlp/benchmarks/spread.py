"""Medians and spread."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Of some measurements: median, quartiles, and the ends."""

    median: float
    quartiles: tuple[float, float]
    range: tuple[float, float]


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    return Spread(statistics.median(values), (low, high), (min(values), max(values)))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Round by round, so that what both saw of the machine's moods cancels."""
    return spread([above / below for above, below in zip(numerators, denominators, strict=True)])
