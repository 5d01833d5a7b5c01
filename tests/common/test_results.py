"""Numbers in texts come from the results file."""

import re
from pathlib import Path

import pytest

from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.results import config_fingerprint, load_document, load_rows, of_config, percent
from cifar_mlp.reports.accuracy_tables import difference
from cifar_mlp.reports.render import BLOCK, documents
from cifar_mlp.reproduction.publish import MOST_BYTES

ROOT = Path(__file__).resolve().parents[2]
ROWS = load_rows(ROOT / "docs" / "results.json")


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.name)
def test_every_text_says_what_the_results_file_says(path: Path):
    assert documents(ROOT)[path] == path.read_text(), "run scripts/render_results.py"


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.name)
def test_no_measured_accuracy_stands_outside_the_written_blocks(path: Path):
    outside = BLOCK.sub("", path.read_text())
    outside = re.sub(r"^```text\n.*?^```", "", outside, flags=re.M | re.S)  # the output of one run
    outside = re.sub(r"^# (The report|states|accuracy of|It states|validation accuracy).*$", "", outside, flags=re.M)
    assert not re.findall(r"\d\d\.\d ± |\d\d\.\d %", outside)


@pytest.mark.parametrize("name", REPORT)
def test_a_report_config_was_measured_as_it_stands_over_three_seeds(name: str):
    fingerprint = config_fingerprint(ROOT / "configs" / "report" / f"{name}.yaml")
    mine = of_config(ROWS, name)
    assert all(row["settings"] == fingerprint for row in mine), "measured with other settings than the config's"
    assert len({row["seed"] for row in mine}) >= 3
    for row in mine:
        assert {"commit", "date", "device", "torch", "precision", "fit_seconds"} <= row.keys()
        assert "+changes" not in row["commit"]


@pytest.mark.parametrize("name", REPORT)
def test_a_report_config_lies_within_three_points_of_the_report(name: str):
    assert abs(difference(of_config(ROWS, name), REPORT[name])) <= 3


def test_published_pictures_are_there_and_small():
    document = load_document(ROOT / "docs" / "results.json")
    folder = ROOT / "docs" / "results"
    held = {path.name: path.stat().st_size for path in folder.iterdir()} if folder.is_dir() else {}
    assert held.keys() == document.get("pictures", {}).keys()
    assert sum(held.values()) <= MOST_BYTES


def test_means_and_spreads():
    assert percent([0.5, 0.6, 0.55]) == "55.0 ± 5.0"
    assert percent([0.5]) == "50.0"
