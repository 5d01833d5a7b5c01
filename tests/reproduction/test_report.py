"""The report's files: from planted results, read as a person reads them."""

import shutil
from pathlib import Path

import pytest

from cifar_mlp.common.results import load_document, save_document
from cifar_mlp.reproduction.blocks import Heading, TableBlock, Text, as_html, as_markdown
from cifar_mlp.reproduction.plan import Variant
from cifar_mlp.reproduction.publish import publish
from cifar_mlp.reproduction.store import Store
from cifar_mlp.reproduction.tables import figures_table
from cifar_mlp.reproduction.verdicts import judge_all
from cifar_mlp.reproduction.write_up import STUDY_TITLES, write_report
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
    for heading in [*headings, *STUDY_TITLES.values()]:
        assert f"# {heading}" in text
    assert {picture.path.stem for picture in pictures} >= {
        "toy_loss", "curves_q3_baseline", "curves_q4", "study_depth", "study_components", "confusion_q4_best",
    }  # fmt: skip
    assert all(f"(plots/{picture.path.name})" in text for picture in pictures)
    assert "not run" not in text
    assert "quick" not in text


def test_every_cell_stands_under_its_header():
    judged = judge_all(planted_document()["runs"])
    table = figures_table(judged)
    assert [dict(zip(table.header, row, strict=True))["verdict"] for row in table.rows] == [
        one.verdict for one in judged
    ]
    assert {dict(zip(table.header, row, strict=True))["seeds"] for row in table.rows} == {"3"}


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


def test_the_same_blocks_in_both_languages(tmp_path: Path):
    blocks = [Heading("A & B", 1), Text("a < b, **so** `x`"), TableBlock(["name", "value"], [["one|two", "1.5"]])]
    assert as_markdown(blocks, tmp_path) == (
        "# A & B\n\na < b, **so** `x`\n\n| name | value |\n| --- | --- |\n| one\\|two | 1.5 |\n"
    )
    page = as_html(blocks)
    assert "<h1>A &amp; B</h1>" in page
    assert "<p>a &lt; b, <strong>so</strong> <code>x</code></p>" in page
    assert '<td data-label="name">one|two</td><td data-label="value" class="number">1.5</td>' in page


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
