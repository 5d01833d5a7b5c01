"""Statements judged on numbers whose answer is known."""

import pytest
from scipy import stats

from cifar_mlp.common.spread import Sample
from cifar_mlp.reproduction.paired import FAILS, HOLDS, LESS, MORE, OPEN, Part, Range, no_less, together, within
from cifar_mlp.reproduction.plan import Variant
from cifar_mlp.reproduction.statements import OURS, STATED, judged
from tests.reproduction.planted import planted_row

ABOVE, BELOW, UNCLEAR = (1.0, 1.4, 0.8, 1.2, 1.1), (-1.0, -1.4, -0.8, -1.2, -1.1), (1.0, -1.4, 0.8, -0.2, 0.5)


def test_the_test_is_the_paired_t_test():
    first, second = [56.0, 57.0, 55.5, 56.4], [55.0, 56.5, 55.6, 55.0]
    part = Part("", MORE, tuple(a - b for a, b in zip(first, second, strict=True)))
    expected = stats.ttest_rel(first, second)
    assert part.p_value == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert Sample(part.differences).interval() == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("expected", "differences", "verdict"),
    [
        (MORE, ABOVE, HOLDS), (MORE, BELOW, FAILS), (MORE, UNCLEAR, OPEN),
        (LESS, BELOW, HOLDS), (LESS, ABOVE, FAILS), (LESS, UNCLEAR, OPEN),
        (MORE, (1.0,), OPEN), (MORE, (0.0, 0.0, 0.0), OPEN), (MORE, (0.5, 0.5, 0.5), HOLDS),
    ],
)  # fmt: skip
def test_by_direction(expected: Range, differences: tuple[float, ...], verdict: str):
    assert Part("", expected, differences).verdict() == verdict


@pytest.mark.parametrize(
    ("expected", "shift", "verdict"),
    [(no_less(1), 0.0, HOLDS), (no_less(1), 5.0, HOLDS), (no_less(1), -1.0, OPEN), (no_less(1), -5.0, FAILS),
     (within(1), 0.0, HOLDS), (within(1), 1.0, OPEN), (within(1), 5.0, FAILS), (within(1), -5.0, FAILS)],
)  # fmt: skip
def test_against_a_margin(expected: Range, shift: float, verdict: str):
    differences = tuple(shift + noise for noise in (-0.2, 0.1, 0.0, 0.2, -0.1))
    assert Part("", expected, differences).verdict() == verdict


def test_p_against_a_margin_is_scipy_s():
    differences = (-0.2, 0.4, 0.1, -0.5, 0.3)
    lower = stats.ttest_1samp(differences, -1.0, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, 1.0, alternative="less").pvalue
    assert Part("", no_less(1.0), differences).p_value == pytest.approx(lower)
    assert Part("", within(1.0), differences).p_value == pytest.approx(max(lower, upper))


def test_a_statement_needs_all_its_parts():
    holds, fails, unclear = (Part("", MORE, differences) for differences in (ABOVE, BELOW, UNCLEAR))
    assert together([holds, holds]) == HOLDS
    assert together([holds, unclear]) == OPEN
    assert together([holds, unclear, fails]) == FAILS


def test_many_parts_are_contradicted_less_easily():
    slightly_below = Part("", MORE, (-1.0, -0.2, -0.7, -0.1, -0.6))
    assert slightly_below.verdict() == FAILS
    assert together([slightly_below, slightly_below, slightly_below]) == OPEN


def layers(levels: dict[str, float]) -> str:
    noise = (-0.001, 0.0, 0.001, 0.0005, -0.0005)
    rows = [
        planted_row(Variant(config), seed, level + (noise[seed] if config == "q4_four_layer" else 0))
        for config, level in levels.items()
        for seed in range(5)
    ]
    return judged(rows)[0].verdict


def test_more_layers():
    configs = ("q4_two_layer", "q4_three_layer", "q4_four_layer", "q4_five_layer")
    assert layers(dict(zip(configs, (0.55, 0.56, 0.57, 0.56), strict=True))) == HOLDS
    assert layers(dict(zip(configs, (0.55, 0.54, 0.57, 0.56), strict=True))) == FAILS
    assert layers(dict(zip(configs, (0.55, 0.56, 0.57, 0.57), strict=True))) == OPEN
    assert layers(dict(zip(configs[:3], (0.55, 0.56, 0.57), strict=True))) == "not run"


def test_seeds_are_paired():
    def of(config: str, values: list[float], first: int = 0) -> list[dict]:
        return [planted_row(Variant(config), first + seed, value) for seed, value in enumerate(values)]

    part = judged([*of("q4_dropout", [0.50, 0.60, 0.55]), *of("q4_four_layer", [0.52, 0.61, 0.58], 1)])[1].parts[0]
    assert part.differences == pytest.approx((8.0, -6.0))


def test_leaky_relu_is_compared_at_equal_epochs():
    leaky = [planted_row(Variant("q4_best"), seed, 0.60) for seed in range(3)]
    for row in leaky:
        row["curves"]["val/accuracy"] = [0.5] * 19 + [0.55] + [0.6] * 5
    relu = [planted_row(Variant("q4_four_layer"), seed, 0.56) for seed in range(3)]
    part = judged([*leaky, *relu])[2].parts[0]
    assert part.differences == pytest.approx((-1.0, -1.0, -1.0))


def test_no_statement_is_judged_without_runs():
    statements = judged([])
    assert len(statements) == len(STATED) + len(OURS)
    assert {statement.verdict for statement in statements} == {"not run"}
