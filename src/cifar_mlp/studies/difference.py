"""How much two groups differ on the same images, and whether chance could have done it."""

from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, bootstrap
from torch import Tensor

from cifar_mlp.common.spread import Sample
from cifar_mlp.studies.groups import Group

RESAMPLES = 2_000
BATCH = 100  # resamples at a time: 10,000 images each


class Difference(NamedTuple):
    """First less second, in points.

    Attributes:
        mean: Of the images.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} points, 95 % interval {self.low:+.2f} to {self.high:+.2f}"


def over_images(first_N: Tensor, second_N: Tensor) -> Difference:
    """Paired bootstrap over the images, percentile interval: what other images of the same kind would show.

    Args:
        first_N: Share of the first group's networks that are right, by image.
        second_N: The second's.
    """
    values = 100 * (first_N - second_N).numpy()
    if len(values) < 2 or np.ptp(values) == 0:
        return Difference(float(values.mean()), float(values.min()), float(values.max()))
    found = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Difference(float(values.mean()), float(found.low), float(found.high))


def over_seeds(first: Group, second: Group) -> Difference | None:
    """Student's interval of the differences seed by seed: what other seeds would show on these images.

    ``None`` where fewer than two seeds are the same.
    """
    seeds = sorted(first.by_seed.keys() & second.by_seed.keys())
    if len(seeds) < 2:
        return None
    found = Sample([100 * (first.by_seed[seed] - second.by_seed[seed]) for seed in seeds])
    return Difference(found.mean, *found.interval())


class McNemar(NamedTuple):
    """The exact test of two single networks.

    Attributes:
        only_first: Images that the first alone gets right.
        only_second: Images that the second alone gets right.
        p_value: Two-sided, of both being equally likely.
    """

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_N: Tensor, second_N: Tensor) -> McNemar:
    """McNemar's test by the binomial distribution.

    Args:
        first_N: 1 where the first is right, else 0.
        second_N: The same of the second.
    """
    only_first, only_second = int((first_N > second_N).sum()), int((second_N > first_N).sum())
    differing = only_first + only_second
    return McNemar(only_first, only_second, binomtest(only_first, differing).pvalue if differing else 1.0)
