"""The browser fixture catches errors and reaches no outside network."""

from pathlib import Path

from tests import browser
from tests.browser import Tab


def test_errors_and_outside_requests_are_noticed(tab: Tab, tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text(
        "<p>seen</p><script>console.error('a word'); setTimeout(() => { throw new Error('thrown') })</script>"
    )
    tab.page.goto(page.as_uri())
    tab.page.get_by_text("seen").wait_for()
    tab.page.wait_for_timeout(50)
    assert [error.removeprefix("Error: ") for error in tab.errors] == ["a word", "thrown"]
    assert tab.outside == []
    tab.page.set_content("<img src='http://example.org/x.png'>")
    tab.page.wait_for_timeout(200)
    assert tab.outside == ["http://example.org/x.png"]
    assert "ERR_NAME_NOT_RESOLVED" in tab.errors[-1]


def test_a_screenshot_is_saved(tab: Tab, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(browser, "ARTIFACTS", tmp_path)
    tab.page.set_content("<p>seen</p>")
    assert tab.keep("a page").read_bytes().startswith(b"\x89PNG")


def test_a_missing_browser_is_detected(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.installed() is None
    stub = tmp_path / "chromium-browser"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    assert browser.installed() is None
    stub.write_text("#!/bin/sh\nexit 0\n")
    assert browser.installed() == str(stub)
