"""Verdicts on numbers whose verdict is known."""

import math

import numpy as np
import pytest
from scipy import stats

from cifar_mlp.common.course_report import Figure
from cifar_mlp.common.spread import Sample
from cifar_mlp.reproduction.plan import Variant
from cifar_mlp.reproduction.verdicts import (
    NOT,
    REPRODUCED,
    TEST,
    UNJUDGED,
    VALIDATION,
    WHOLE_TEST,
    WITHIN,
    image_noise,
    judge,
    verdict,
)
from tests.reproduction.planted import planted_row

CLOSE = Sample([55.6, 56.0, 56.2, 55.8, 56.4])  # mean 56, spread 0.316
WIDE = Sample([52.0, 60.0, 54.0, 58.0, 56.0])  # mean 56, spread 3.16


def test_intervals_are_scipy_s():
    values = [55.0, 56.5, 57.2, 54.8, 56.1]
    found = Sample(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found.mean - found.half() == pytest.approx(low)
    assert found.mean + found.half() == pytest.approx(high)
    assert found.one_more == pytest.approx(found.half() * math.sqrt(5) * math.sqrt(1.2))


def test_the_noise_of_images_is_the_binomial_s():
    assert image_noise(56.0) == pytest.approx(1.96 * 100 * math.sqrt(0.56 * 0.44 / 1000))
    assert image_noise(56.0, out_of=10_000) == pytest.approx(image_noise(56.0) * math.sqrt(0.9))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [(56.0, REPRODUCED), (56.9, REPRODUCED), (57.1, WITHIN), (59.0, WITHIN), (52.9, WITHIN), (59.5, NOT), (52.5, NOT)],
)
def test_by_distance(stated: float, expected: str):
    assert CLOSE.one_more == pytest.approx(0.9616, abs=1e-3)
    assert math.hypot(CLOSE.one_more, image_noise(56.0)) == pytest.approx(3.223, abs=1e-3)
    assert verdict(stated, CLOSE) == expected


def test_seeds_that_scatter_widely_confirm_nothing():
    assert WIDE.one_more > image_noise(56.0)
    assert verdict(56.0, WIDE) == WITHIN


def test_few_seeds_are_not_judged():
    assert verdict(56.0, Sample([56.0, 56.0])) == UNJUDGED
    assert verdict(56.0, Sample([56.0])) == UNJUDGED
    assert verdict(56.0, Sample([56.0, 56.1, 55.9])) == REPRODUCED


def test_above_is_one_sided_and_about_is_rounded():
    assert verdict(50.0, CLOSE) == NOT
    assert verdict(50.0, CLOSE, at_least=True) == REPRODUCED
    assert verdict(60.0, CLOSE, at_least=True) == NOT
    assert verdict(57.4, CLOSE) == WITHIN
    assert verdict(57.4, CLOSE, rounding=0.5) == REPRODUCED


def test_each_figure_is_held_against_the_same_images():
    seeds = enumerate([0.556, 0.560, 0.562, 0.558, 0.564])
    rows = [planted_row(Variant("q4_best"), seed, accuracy) for seed, accuracy in seeds]
    for row in rows:
        row["last"] = {**row["last"], "test/accuracy": row["last"]["test/accuracy"] - 0.05}
    found = {one.what: one for one in judge("q4_best", Figure("a network", 56.1, 56.0), rows)}
    assert {what: one.verdict for what, one in found.items()} == {
        VALIDATION: REPRODUCED, TEST: REPRODUCED, WHOLE_TEST: NOT,
    }  # fmt: skip
    assert found[WHOLE_TEST].ours.mean == pytest.approx(51.0)


def test_the_prediction_interval_holds_what_it_says():
    draw = np.random.default_rng(0)
    trials = 4_000
    held = sum(
        abs(float(draw.normal(56, 0.5)) - found.mean) <= found.one_more
        for found in (Sample(draw.normal(56, 0.5, 5).tolist()) for _ in range(trials))
    )
    assert held / trials == pytest.approx(0.95, abs=0.012)
