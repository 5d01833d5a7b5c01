"""The page in a real browser, with mouse, keyboard and touch sizes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from cifar_mlp.demo.trial import Trial
from tests.browser import Tab
from tests.demo.conftest import served

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def address(trial: Trial) -> Iterator[str]:
    with served(trial) as found:
        yield found


@pytest.fixture
def page(tab: Tab, address: str) -> Iterator[Tab]:
    """The page with a test image picked; no error may come up."""
    tab.page.set_viewport_size(DESKTOP)
    tab.page.goto(address)
    for part in ("#bars li", "#hidden figure"):  # two answers, in any order
        tab.page.locator(part).first.wait_for()
    yield tab
    assert tab.errors == []
    assert tab.outside == []


def a_seven(path: Path) -> Path:
    image = Image.new("L", (300, 200))
    ImageDraw.Draw(image).line([(100, 40), (190, 40), (130, 170)], fill=255, width=26)
    image.save(path)
    return path


def verdict(tab: Tab) -> str:
    return tab.page.locator("#verdict").inner_text()


def answered(tab: Tab, before: str) -> str:
    """The next verdict."""
    tab.page.wait_for_function("before => document.querySelector('#verdict').innerText !== before", arg=before)
    return verdict(tab)


def test_a_picked_image_is_answered(page: Tab):
    assert re.match(r"\d, \d+\.\d\s%\n(That is right|Its true class is 0)\.", verdict(page))
    assert page.page.locator("#bars li").count() == 10
    assert page.page.locator("#filters figure").count() == 7
    assert page.page.locator("#features figure").count() == 6
    assert page.page.locator("#given").is_hidden()
    before = verdict(page)
    page.page.locator("#picks button").nth(7).click()
    assert answered(page, before)
    assert page.page.locator("#picks button[aria-pressed=true]").inner_text() == "7"


def test_components_are_taken_away_by_keyboard(page: Tab):
    before = verdict(page)
    page.page.locator("#components").focus()
    page.page.keyboard.press("Home")
    page.page.locator("#share", has_text="from 0 components: 0.0").wait_for()
    assert verdict(page) != before
    assert page.page.locator("#count").inner_text() == "0 of 6"
    assert page.page.locator(".tick").count() == 10
    page.page.keyboard.press("End")
    page.page.locator("#share", has_text="from 6 components").wait_for()
    assert page.page.locator(".tick").count() == 0


def test_everything_is_reached_by_tab(page: Tab):
    reached: list[str] = []
    page.page.locator("body").press("Tab")
    while "components" not in reached:
        reached.append(page.page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        width = page.page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert width == "3px" or reached[-1] == "file", reached  # the file's whole field is outlined
        assert len(reached) < 20, reached
        page.page.keyboard.press("Tab")
    assert reached == ["file", "others", *["BUTTON"] * 10, "SUMMARY", "components"]


def test_files_are_chosen_pasted_and_dropped(page: Tab, tmp_path: Path):
    file = a_seven(tmp_path / "seven.png")
    before = verdict(page)
    page.page.locator("#file").set_input_files(file)
    before = answered(page, before)
    assert page.page.locator("#given").is_visible()
    assert "class" not in before
    give = """([kind, bytes]) => {
      const files = new DataTransfer();
      if (bytes) files.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
      const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: files, bubbles: true })
        : new DragEvent("drop", { dataTransfer: files, bubbles: true });
      document.body.dispatchEvent(event);
    }"""
    for kind in ("paste", "drop"):
        page.page.locator("#picks button").nth(3).click()
        before = answered(page, before)
        page.page.evaluate(give, [kind, list(file.read_bytes())])
        before = answered(page, before)
        page.page.evaluate(give, [kind, None])
        assert re.search("no image in the clipboard|was no file", page.page.locator("#problem").inner_text())


def test_a_wrong_file_is_met_kindly(page: Tab, tmp_path: Path):
    wrong = tmp_path / "wrong.png"
    wrong.write_text("no image")
    before = verdict(page)
    page.page.locator("#file").set_input_files(wrong)
    page.page.get_by_text("This cannot be read as an image").wait_for()
    assert verdict(page) == before
    assert len(page.errors) == 1  # the console's line of the refused request
    assert "415" in page.errors.pop()
    page.page.locator("#picks button").nth(5).click()
    answered(page, before)
    assert page.page.locator("#problem").is_hidden()


def test_a_drawing_is_answered(page: Tab):
    before = verdict(page)
    page.page.get_by_text("Or draw one").click()
    box = page.page.locator("#canvas").bounding_box()
    assert box is not None
    mouse = page.page.mouse
    mouse.move(box["x"] + 80, box["y"] + 50)
    mouse.down()
    for x, y in ((180, 50), (120, 210)):
        mouse.move(box["x"] + x, box["y"] + y, steps=5)
    mouse.up()
    drawn = answered(page, before)
    assert "class" not in drawn
    page.keep("demo drawing")
    page.page.locator("#fill").click()
    assert answered(page, drawn)


@pytest.mark.parametrize(("size", "mode"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_it_fits_a_phone_and_dark_mode(page: Tab, size: dict[str, int], mode: str):
    page.page.set_viewport_size(size)  # type: ignore[arg-type]
    page.page.emulate_media(color_scheme=mode)  # type: ignore[arg-type]
    assert page.page.evaluate("document.documentElement.scrollWidth") == size["width"]
    dark = page.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 24)"
    assert dark == (mode == "dark")
    cut = """[...document.querySelectorAll("figcaption, button, #bars .name")]
      .filter((part) => part.offsetParent && part.scrollWidth > part.clientWidth + 1).map((part) => part.innerText)"""
    assert page.page.evaluate(cut) == []
    page.page.screenshot(path=page.keep(f"demo {size['width']} {mode}"), full_page=True)


def test_networks_on_pixels_have_no_slider(trained: Callable[[str], Path], tab: Tab):
    with served(Trial(trained("pixels"))) as address:
        tab.page.goto(address)
        tab.page.locator("#hidden figure").first.wait_for()
        assert tab.page.locator("#components").is_hidden()
        assert tab.page.locator("#plain").is_visible()
        assert tab.page.locator("#by").inner_text() == "By their pixels"
        tab.page.goto("about:blank")  # lets go of the connection
    assert tab.errors == []


def test_a_server_that_has_gone_is_said(trained: Callable[[str], Path], tab: Tab):
    with served(Trial(trained("linear"))) as address:
        tab.page.goto(address)
        tab.page.locator("#features figure").first.wait_for()
        assert tab.page.locator("#hidden").is_hidden()
    tab.page.locator("#picks button").nth(4).click()
    tab.page.get_by_text("is cifar-mlp demo still running?").first.wait_for()
