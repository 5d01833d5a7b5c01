"""A real browser for tests: the system's Chromium, headless, with no network but this machine's."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

ARTIFACTS = Path(__file__).resolve().parent.parent / "test_artifacts"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",  # WebGL without a GPU
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]  # fmt: skip


class Tab:
    """One page and its errors.

    Attributes:
        page: Playwright's.
        errors: The console's errors and the exceptions of the page's scripts.
        outside: Requested addresses that are not on this machine; none was reached.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._look)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _look(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "file") and address.hostname not in ("127.0.0.1", "localhost"):
            self.outside.append(request.url)

    def keep(self, name: str) -> Path:
        """Save a screenshot as ``test_artifacts/NAME.png``."""
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


def installed() -> str | None:
    """The Chromium that starts here; a stub that only names its installer does not count."""
    for path in filter(None, map(shutil.which, NAMES)):
        if subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser with a fresh profile for each test file."""
    program = installed()
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} starts")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    """An empty page, 1500 by 1000 pixels, that shares nothing with other tests."""
    page = chromium.new_page(viewport={"width": 1500, "height": 1000})
    yield Tab(page)
    page.close()
