"""What is run, under which name, and for how long."""

import io
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.durations import in_words
from cifar_mlp.common.run_folder import flat
from cifar_mlp.reproduction.plan import STUDIES, Planned, Variant, chosen, groups, over_seeds, require_validation
from cifar_mlp.reproduction.pool import Bar, expected_seconds
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
    assert set(of_studies) == set(STUDIES["dropout"].variants.values())
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


@pytest.mark.parametrize("study", STUDIES)
def test_no_two_variants_of_a_study_are_the_same_settings(study: str):
    requested = []
    for variant in STUDIES[study].variants.values():
        settings = flat(yaml.safe_load((CONFIGS / f"{variant.config}.yaml").read_text()))
        changes = {option.removeprefix("--"): yaml.safe_load(value) for option, value in variant.changes}
        requested.append(settings | changes)
    assert all(first != second for position, first in enumerate(requested) for second in requested[:position])


def test_a_run_is_expected_to_take_what_it_took_before():
    known = [planted_row(Variant("q4_best"), seed, 0.5, wall_seconds=100.0 + seed) for seed in range(3)]
    known += [planted_row(Variant("q3_baseline"), 0, 0.5, wall_seconds=20.0)]
    assert expected_seconds(Planned(Variant("q4_best"), 7), known, quick=False) == 101.0
    assert expected_seconds(Planned(Variant("q4_dropout"), 0), known, quick=False) == 100.5  # never run: of all
    epochs = known[0]["last"]["epoch"]
    assert expected_seconds(Planned(Variant("q4_best"), 0), known, quick=True) == pytest.approx(14 + 87 / epochs)


def test_the_time_left_follows_what_runs_take_now():
    wanted = [Planned(Variant("q4_best"), seed) for seed in (7, 8, 9)]
    printed = io.StringIO()
    bar = Bar(dict.fromkeys(wanted, 100.0), 2, Console(file=printed))
    assert bar.left() == 150.0
    bar.ended(wanted[0], "a run", 200.0)
    assert bar.left() == 200.0
    bar.ended(wanted[1], "one that failed", None)
    assert bar.left() == 100.0
    assert printed.getvalue().startswith("1/3  a run, 0 s, about 3 min left\n2/3  one that failed")


def test_durations_in_words():
    assert [in_words(seconds) for seconds in (50, 600, 7500)] == ["50 s", "10 min", "2 h 05 min"]


def test_a_config_without_validation_is_refused_before_anything_runs(tmp_path: Path):
    (tmp_path / "q4_best.yaml").write_text("data: {val_size: 1000}\n")
    wanted = [Planned(Variant("q4_best"), 0)]
    require_validation(wanted, tmp_path)
    (tmp_path / "q4_best.yaml").write_text("data: {val_size: 0}\n")
    with pytest.raises(ValueError, match=r"q4_best\.yaml: data\.val_size 0 leaves no validation"):
        require_validation(wanted, tmp_path)
