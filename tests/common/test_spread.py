"""Spread of repeated measurements."""

import pytest

from cifar_mlp.common.spread import Sample, ratios, spread


def test_quartiles_of_one_value_and_of_several():
    assert spread([3.0]) == (3.0, (3.0, 3.0), (3.0, 3.0))
    assert spread([4.0, 1.0, 2.0, 3.0, 5.0]) == (3.0, (2.0, 4.0), (1.0, 5.0))


def test_ratios_are_taken_round_by_round():
    assert ratios([2.0, 40.0], [1.0, 10.0]).median == 3.0
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_the_interval_of_a_mean_is_students():
    # three values with standard deviation 1: t = 4.3027 at 97.5 % and 2 degrees of freedom, over the root of 3
    assert Sample([1.0, 2.0, 3.0]).half() == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert Sample([1.0, 2.0, 3.0]).half(level=0.9) == pytest.approx(2.91999 / 3**0.5, rel=1e-5)
    assert Sample([2.0, 2.0, 2.0]).half() == 0
