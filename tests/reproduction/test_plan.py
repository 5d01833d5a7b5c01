"""What is run, under which name, and for how long."""

import pytest

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.reproduction.estimate import Estimator, in_words, macs_of_an_epoch, settings_of
from cifar_mlp.reproduction.plan import QUICK, STUDIES, Planned, Variant, chosen, groups, over_seeds
from cifar_mlp.reproduction.plots import place_name
from cifar_mlp.reproduction.statements import OURS, STATED
from tests.reproduction.planted import CARDS, planted_row


def test_without_a_choice_it_is_questions_1_to_4():
    of_report, of_studies, toy = chosen(None)
    assert [variant.card for variant in of_report] == list(REPORT)
    assert of_studies == []
    assert toy


def test_questions_cards_and_studies_can_be_chosen():
    of_report, of_studies, toy = chosen(["q3", "q4_best", "dropout"])
    assert [variant.name for variant in of_report] == ["q3_baseline", "q3_pca510", "q4_best"]
    assert set(of_studies) == set(STUDIES["dropout"])
    assert toy
    assert chosen(["q4_best"])[2] is False


@pytest.mark.parametrize(("name", "hint"), [("q4_bset", "q4_best"), ("droput", "dropout"), ("zzz", "known are q1, q2")])
def test_an_unknown_name_is_answered_by_the_nearest(name: str, hint: str):
    with pytest.raises(ValueError, match=f"--only {name}: .*{hint}"):
        chosen([name])


def test_every_comparison_has_its_runs_planned():
    planned = {variant for group in groups().values() for variant in group}
    for _, _, comparisons in [*STATED, *OURS]:
        for comparison in comparisons:
            assert {term.variant for term in comparison.terms} <= planned


def test_no_two_runs_share_a_name_or_a_seed():
    everything = [variant for group in groups().values() for variant in group]
    assert len({variant.name for variant in everything}) == len(set(everything))
    assert all("/" not in variant.name for variant in everything)
    runs = over_seeds([Variant("q4_two_layer"), Variant("q4_two_layer_4b")], 3)
    assert len({run.seed for run in runs}) == 6


def test_quick_is_one_epoch_of_every_card():
    for name in REPORT:
        settings = settings_of(CARDS / f"{name}.yaml", QUICK)
        assert macs_of_an_epoch(settings)[1] == 1
    (run,) = over_seeds([Variant("q4_best")], 1, quick=True)
    assert run.name == "q4_best,quick, seed 0"


@pytest.mark.parametrize("study", STUDIES)
def test_no_two_variants_of_a_study_ask_for_the_same(study: str):
    asked = [settings_of(CARDS / f"{variant.card}.yaml", variant.options) for variant in STUDIES[study]]
    assert all(first != second for place, first in enumerate(asked) for second in asked[:place])
    assert all(macs_of_an_epoch(settings)[1] > 0 for settings in asked)


@pytest.mark.parametrize("study", STUDIES)
def test_every_variant_of_a_study_has_a_name_below_the_axis(study: str):
    names = [place_name(study, variant) for variant in STUDIES[study]]
    assert len(set(names)) == len(names)


def test_a_run_is_expected_to_take_what_it_took(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cifar_mlp.reproduction.estimate.speed", lambda threads, kind: 1e10)
    rows = [planted_row(Variant("q4_best"), seed, 0.5, wall_seconds=100.0 + seed) for seed in range(3)]
    estimate = Estimator(CARDS, rows, 1)
    assert estimate(Planned(Variant("q4_best"), 7)) == 101.0
    small, large = (estimate(Planned(Variant(card), 0)) for card in ("q3_baseline", "q4_two_layer"))
    assert 10 < small < 40 < large


def test_durations_in_words():
    assert [in_words(seconds) for seconds in (50, 600, 7500)] == ["50 s", "10 min", "2 h 05 min"]
