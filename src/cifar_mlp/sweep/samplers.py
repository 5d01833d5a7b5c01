"""What each slot of a search draws: a function of the seed and the slot alone, and of the trials before it."""

import itertools
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from cifar_mlp.sweep.sweep_file import Options, Space


class GivenPoint(RandomSampler):
    """Draws just these values."""

    def __init__(self, point: Options) -> None:
        super().__init__(seed=0)
        self._point = point

    def sample_independent(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """The given value."""
        return self._point[param_name]


def sampler_of(space: Space, slot: int, grid: list[Options]) -> BaseSampler:
    """The sampler for a slot from 1; slot 0 is the base config's."""
    if space.sampler == "grid":
        return GivenPoint(grid[slot - 1])
    seed = (space.seed * 1_000_003 + slot) % 2**32  # workers side by side must not draw the same
    return RandomSampler(seed=seed) if space.sampler == "random" else TPESampler(seed=seed)


def grid_of(space: Space, base: Options) -> list[Options]:
    """Every point of the grid but the base config's own; empty for another sampler.

    Raises:
        ValueError: If an option has no countable values.
    """
    if space.sampler != "grid":
        return []
    values = [_values(space, name, distribution) for name, distribution in space.search.items()]
    points = [dict(zip(space.search, point, strict=True)) for point in itertools.product(*values)]
    return [point for point in points if point != base]


def _values(space: Space, name: str, distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.log or distribution.step is None:
        raise ValueError(f"{space.path}: sampler grid needs a list or a step for search.{name}")
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    return [distribution.low + number * distribution.step for number in range(count)]
