"""Every tab of a real TensorBoard in a real browser: it shows the runs and logs no errors."""

import json
import time
from pathlib import Path

import pytest

from cifar_mlp.callbacks.hyperparameters import FIRST
from tests.browser import Tab
from tests.callbacks.server import Server
from tests.long_cases import rest_long

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of TensorBoard's own server
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

HISTOGRAMS = ["digits/within/activations/hidden.1", "digits/within/gradients/hidden.0.affine.weight"]
# By tab: its text for two runs, and for none.
SAYS = {
    "timeseries": (["version_0", "version_1", "digits/test/accuracy"], "Pin cards for a quick view"),
    "scalars": (["version_1", "tag: digits/test/accuracy"], "No scalar data"),
    "custom_scalars": (["loss", "accuracy", "accuracy of each class", "Matches (20)"], "Write a regex to filter runs"),
    "images": (["digits/test/confusion_matrix", "digits/views/class_averages"], "No image data"),
    "graphs": (["Main Graph"], "No graph definition files"),
    "distributions": (HISTOGRAMS, "No distribution data"),
    "histograms": (HISTOGRAMS, "No histogram data"),
    "text": (["tag: run/commit/text_summary", "n_components: 12", "test images are right"], "No text data"),
    "pr_curves": ([f"tag: digits/val_precision_recall/{label}" for label in range(10)], "Write a regex to filter runs"),
    "projector": (["Points: 270", "Dimension: 12", "4 tensors found"], "No checkpoint was found"),
    "hparams": ([*FIRST, "digits/hp/val_accuracy", "digits/hp/test_accuracy"], "No hparams data"),
}  # fmt: skip
ALWAYS = ("scalars", "hparams")
# Elements that are drawn.
DRAWN = {
    "scalars": "tf-line-chart-data-loader, tf-scalar-card svg",
    "images": "tf-image-loader img",
    "graphs": "g.node[data-name=MLP]",
    "histograms": "vz-histogram-timeseries svg path",
    "projector": "canvas",
}


@pytest.fixture(scope="module")
def server(logs: Path) -> Server:
    server = Server(logs)
    deadline = time.monotonic() + 20
    while not server.ask("plugins_listing")["projector"]["enabled"] and time.monotonic() < deadline:
        time.sleep(0.05)  # it looks for its files in another thread
    return server


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return Server(tmp_path_factory.mktemp("empty"))


def errors(tab: Tab, server: Server) -> list[str]:
    """The tab's errors without the server's address."""
    return sorted({error.replace(server.url, "/") for error in tab.errors})


def wait_for(tab: Tab, what: str, seconds: float = 20.0) -> None:
    """Until ``text=WORDS`` or ``css=ELEMENT`` can be seen, on the page or within a frame of it, as the projector is."""
    deadline = time.monotonic() + seconds
    while not any(frame.locator(what).locator("visible=true").count() for frame in tab.page.frames):
        assert time.monotonic() < deadline, f"{what} is not visible at {tab.page.url}"
        tab.page.wait_for_timeout(50)


def open_tab(tab: Tab, server: Server, name: str, words: list[str], question: str = "") -> None:
    tab.page.goto(f"{server.url}{question}#{name}")
    for word in words:
        wait_for(tab, f"text={word}")


@pytest.mark.parametrize("name", rest_long(SAYS, ALWAYS))
def test_a_tab_shows_the_runs_without_errors(name: str, server: Server, empty: Server, tab: Tab):
    words, nothing = SAYS[name]
    open_tab(tab, empty, name, [nothing])
    usual = errors(tab, empty)
    tab.errors.clear()
    open_tab(tab, server, name, words)
    if name in DRAWN:
        wait_for(tab, f"css={DRAWN[name]}")
    tab.page.wait_for_load_state("networkidle")
    tab.keep(f"tensorboard_{name}")
    assert [error for error in errors(tab, server) if error not in usual] == []
    assert tab.outside == []


def test_every_series_has_its_card(server: Server, tab: Tab):
    tags = {kind: server.ask(f"plugin/{kind}/tags").values() for kind in ("scalars", "histograms", "images")}
    cards = [*set().union(*tags.pop("scalars"))]  # the runs share one; each has its own of the others
    cards += [tag for runs in tags.values() for run in runs for tag in run]
    open_tab(tab, server, "timeseries", [f"{sum(tag.startswith('digits/') for tag in cards)} cards"])


def test_the_hparams_table_has_the_results_of_both_runs(logs: Path, server: Server, tab: Tab):
    open_tab(tab, server, "hparams", ["Table View"])
    for folder in logs.iterdir():
        best = json.loads((folder / "results.json").read_text())["best"]
        for value in (best["val/accuracy"], best["test/accuracy"]):
            tab.page.get_by_text(f"{value:.5g}").first.wait_for(state="attached", timeout=10_000)


@pytest.mark.parametrize("name", rest_long(["images", "timeseries", "custom_scalars", "text"], ["images"]))
def test_pictures_keep_their_white_background_in_dark_mode(name: str, server: Server, tab: Tab):
    open_tab(tab, server, name, SAYS[name][0], "?darkMode=true")
    ground = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(level) for level in ground.removeprefix("rgb(").removesuffix(")").split(",")) < 80
    if name == "images":
        picture = tab.page.locator(DRAWN[name]).locator("visible=true").first
        picture.wait_for()
        read = """async shown => {
            await shown.decode();
            const sheet = new OffscreenCanvas(1, 1).getContext("2d");
            sheet.drawImage(shown, 0, 0);
            return [...sheet.getImageData(0, 0, 1, 1).data];
        }"""
        assert picture.evaluate(read) == [255, 255, 255, 255]
    tab.page.wait_for_load_state("networkidle")
    tab.keep(f"tensorboard_dark_{name}")
    assert tab.errors == []
