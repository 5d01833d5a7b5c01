"""What is run, under which name, and for how long."""

import pytest
import yaml

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.run_folder import flat
from cifar_mlp.reproduction.plan import QUICK, STUDIES, Planned, Variant, chosen, groups, over_seeds
from cifar_mlp.reproduction.pool import Timer, expected_seconds, in_words
from cifar_mlp.reproduction.result_plots import place_name
from cifar_mlp.reproduction.statements import OURS, STATED
from tests.reproduction.planted import CONFIGS, planted_row


def test_without_a_choice_it_is_questions_1_to_4():
    of_report, of_studies, toy = chosen(None)
    assert [variant.config for variant in of_report] == list(REPORT)
    assert of_studies == []
    assert toy


def test_questions_configs_and_studies_can_be_chosen():
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


def test_quick_is_one_epoch_under_its_own_name():
    (run,) = over_seeds([Variant("q4_best")], 1, quick=True)
    assert run.name == "q4_best,quick, seed 0"
    assert run.variant.options == QUICK


@pytest.mark.parametrize("study", STUDIES)
def test_no_two_variants_of_a_study_are_the_same_settings(study: str):
    asked = []
    for variant in STUDIES[study]:
        settings = flat(yaml.safe_load((CONFIGS / f"{variant.config}.yaml").read_text()))
        pairs = zip(variant.options[::2], variant.options[1::2], strict=True)
        asked.append(settings | {option.removeprefix("--"): yaml.safe_load(value) for option, value in pairs})
    assert all(first != second for position, first in enumerate(asked) for second in asked[:position])


@pytest.mark.parametrize("study", STUDIES)
def test_every_variant_of_a_study_has_a_name_below_the_axis(study: str):
    names = [place_name(study, variant) for variant in STUDIES[study]]
    assert len(set(names)) == len(names)


def test_a_run_is_expected_to_take_what_it_took_before():
    known = [planted_row(Variant("q4_best"), seed, 0.5, wall_seconds=100.0 + seed) for seed in range(3)]
    known += [planted_row(Variant("q3_baseline"), 0, 0.5, wall_seconds=20.0)]
    assert expected_seconds(Planned(Variant("q4_best"), 7), known) == 101.0
    assert expected_seconds(Planned(Variant("q4_dropout"), 0), known) == 100.5  # never run: the median of all
    epochs = known[0]["last"]["epoch"]
    assert expected_seconds(Planned(Variant("q4_best", QUICK), 0), known) == pytest.approx(14 + 87 / epochs)


def test_the_time_left_follows_what_runs_take_now():
    wanted = [Planned(Variant("q4_best"), seed) for seed in (7, 8, 9)]
    timer = Timer(wanted, [planted_row(Variant("q4_best"), 0, 0.5, wall_seconds=100.0)], jobs=2)
    assert timer.left() == 150.0
    timer.took(wanted[0], 200.0)
    timer.ended(wanted[0])
    assert timer.left() == 200.0


def test_durations_in_words():
    assert [in_words(seconds) for seconds in (50, 600, 7500)] == ["50 s", "10 min", "2 h 05 min"]
