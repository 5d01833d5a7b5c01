"""The report's files: from planted results, read as a person reads them."""

import shutil
from pathlib import Path

import pytest

from cifar_mlp.common import markdown
from cifar_mlp.common.results import load_document, save_document
from cifar_mlp.reproduction.page import as_html
from cifar_mlp.reproduction.plan import STUDIES, Variant
from cifar_mlp.reproduction.publish import publish
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.tables import figures_table
from cifar_mlp.reproduction.verdicts import judge_all
from cifar_mlp.reproduction.write_up import write_report
from tests.browser import Tab
from tests.reproduction.planted import CONFIGS, planted_document, planted_row


@pytest.fixture
def store() -> Store:
    save_document(Path("out/results.json"), planted_document())
    return Store(Path("out"), CONFIGS)


def test_everything_is_in_the_report(store: Store):
    pictures = write_report(store)
    text = Path("out/report.md").read_text()
    headings = ["Questions 1, 2 and 3a", "Questions 3b and 4", "What the report says in words", "Side studies"]
    for heading in [*headings, *(study.title for study in STUDIES.values())]:
        assert f"# {heading}" in text
    assert {picture.path.stem for picture in pictures} >= {
        "toy_loss", "curves_q3_baseline", "curves_q4", "study_depth", "study_components", "confusion_q4_best",
    }  # fmt: skip
    assert all(f"(plots/{picture.path.name})" in text for picture in pictures)
    assert "not run" not in text
    assert "quick" not in text


def test_every_cell_stands_under_its_header():
    judged = judge_all(planted_document()["runs"])
    header, _, *rows = [line.strip("| ").split(" | ") for line in figures_table(judged).splitlines()]
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["verdict"] for row in found] == [one.verdict for one in judged]
    assert {row["seeds"] for row in found} == {"3"}


def test_a_browser_shows_it_without_error_or_outside_request(store: Store, tab: Tab):
    pictures = write_report(store)
    Path("elsewhere").mkdir()
    page = shutil.move("out/report.html", "elsewhere/report.html")  # it needs nothing beside it
    tab.page.goto(Path(page).resolve().as_uri())
    assert tab.page.title() == "The report, reproduced"
    widths = "Array.from(document.images).map(image => image.complete && image.naturalWidth)"
    assert all(width > 300 for width in tab.page.evaluate(widths))
    assert len(tab.page.evaluate(widths)) == len(pictures)
    assert tab.errors == []
    assert tab.outside == []


def test_it_can_be_read_on_a_phone(store: Store, tab: Tab):
    write_report(store)
    tab.page.set_viewport_size({"width": 390, "height": 800})
    tab.page.goto(Path("out/report.html").resolve().as_uri())
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.page.evaluate("Array.from(document.images).every(image => image.width <= 390)")
    assert tab.page.evaluate("Array.from(document.querySelectorAll('td')).every(cell => cell.scrollWidth <= 390)")
    assert tab.page.get_by_text("within the noise of 1,000 images").last.is_visible()
    content = tab.page.locator("meta[name=viewport]").get_attribute("content")
    assert content == "width=device-width, initial-scale=1"


def test_a_page_escapes_aligns_and_colours(tmp_path: Path):
    table = markdown.table(["name", "value", "verdict"], [["one|two <b>", "1.5 to 2.0", "holds"]], words=None)
    page = as_html(f"# A & B\n\na < b, **so** `x`\n\n{table}", tmp_path)
    assert "<title>A &amp; B</title>" in page
    assert "<p>a &lt; b, <strong>so</strong> <code>x</code></p>" in page
    assert "<td>one|two &lt;b&gt;</td>" in page
    assert '<td style="text-align:right">1.5 to 2.0</td>' in page
    assert '<td class="good">holds</td>' in page


def test_runs_of_a_changed_config_do_not_count(store: Store):
    document = store.document()
    for row in document["runs"]:
        row["settings"] = "older" if row["config"] == "q4_best" else row["settings"]
    save_document(store.path, document)
    write_report(store)
    assert "550-128-100, LeakyReLU" not in Path("out/report.md").read_text()


def test_publishing_copies_results_and_pictures(store: Store):
    pictures = write_report(store)
    publish(store, pictures, Path("docs"))
    published = load_document(Path("docs/results.json"))
    assert published["runs"] == store.document()["runs"]
    assert set(published["pictures"]) == {path.name for path in Path("docs/results").iterdir()}


def test_what_is_no_result_is_not_published(store: Store):
    pictures = write_report(store)
    row = store.document()["runs"][0]
    store.add({**row, "commit": "0123456789ab+changes"})
    with pytest.raises(ValueError, match=f"uncommitted changes: {row['config']};"):
        publish(store, pictures, Path("docs"))
    save_document(Path("quick/results.json"), {"quick": True, "runs": []})
    with pytest.raises(ValueError, match="quick reproduction is no result"):
        publish(Store(Path("quick"), CONFIGS, quick=True), [], Path("docs"))
    with pytest.raises(ValueError, match="holds no runs"):
        publish(Store(Path("empty"), CONFIGS), [], Path("docs"))
    assert not Path("docs").exists()


def test_quick_and_full_do_not_mix(store: Store):
    with pytest.raises(ValueError, match="holds a full reproduction, not a quick one"):
        Store(Path("out"), CONFIGS, quick=True)
    Path("broken").mkdir()
    Path("broken/results.json").write_text("{")
    with pytest.raises(ValueError, match="no results file"):
        Store(Path("broken"), CONFIGS)


def test_a_repeated_run_replaces_the_older(store: Store):
    before = len(store.document()["runs"])
    store.add(planted_row(Variant("q4_best"), 0, 0.123))
    rows = store.document()["runs"]
    assert len(rows) == before
    assert sum(row["last"]["val/accuracy"] == 0.123 for row in rows) == 1
