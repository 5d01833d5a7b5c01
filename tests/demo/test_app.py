"""The page's server, asked without a browser."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cifar_mlp.demo.trial import Trial
from cifar_mlp.models import Classifier, Ensemble
from cifar_mlp.training.checkpoint import read_checkpoint
from cifar_mlp.training.ensemble_file import write_ensemble

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from cifar_mlp.demo import app
from cifar_mlp.demo.app import PAGE, make_app

HERE = "http://127.0.0.1:8000"


def client(trial: Trial) -> TestClient:
    return TestClient(make_app(trial), base_url=HERE)


def a_file(colour: str = "white", kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (20, 30), colour).save(content, kind)
    return content.getvalue()


def test_an_image_is_resized_and_looked_at(trial: Trial):
    ask = client(trial)
    image = ask.post("/image", content=a_file(kind="JPEG")).json()["image"]
    assert image.startswith("data:image/png;base64,")
    found = ask.post("/look?components=2", content=a_file()).json()
    assert sum(found["probabilities"]) == pytest.approx(1, rel=1e-5)
    assert found["answer"] == max(range(10), key=found["probabilities"].__getitem__)
    assert found["probabilities"] != found["whole"]
    assert found["kept"] == 2
    assert len(found["units"]) == 7
    assert "across each bar" in found["bars"]
    whole = ask.post("/look", content=a_file()).json()
    assert whole["probabilities"] == whole["whole"] == found["whole"]
    assert whole["kept"] == 6
    near = ask.post("/similar", content=a_file()).json()
    assert near["answer"] == trial.classes[whole["answer"]]
    assert len(near["features"]) == len(near["hidden"]) == 6


def test_test_images_of_every_class_are_offered(trial: Trial):
    picks = client(trial).get("/picks").json()
    assert [pick["class"] for pick in picks] == list("0123456789")
    assert {trial.test is not None, trial.missing} == {True, ""}


def test_what_the_network_is(trial: Trial, trained: Callable[[str], Path]):
    about = client(trial).get("/about").json()
    assert about["summary"] == "6 components → 7 units → 5 units → 10 classes."
    assert about["components"] == [6]
    assert client(Trial(trained("pixels"))).get("/about").json()["components"] == [None]


def test_networks_on_pixels_and_linear_ones(trained: Callable[[str], Path]):
    pixels = client(Trial(trained("pixels"))).post("/look?components=3", content=a_file()).json()
    assert "reconstruction" not in pixels
    assert pixels["probabilities"] == pixels["whole"]
    linear = client(Trial(trained("linear")))
    assert [unit["name"] for unit in linear.post("/look", content=a_file()).json()["units"]] != list("0123456789")
    assert linear.post("/similar", content=a_file()).json()["hidden"] == []


def test_an_ensemble_shows_each_of_its_networks(trained: Callable[[str], Path], tmp_path: Path):
    paths = [trained("whitened"), trained("linear")]
    members = [Classifier.load_from_checkpoint(path).eval() for path in paths]
    path = tmp_path / "both.ckpt"
    write_ensemble(Ensemble.of(members, False), read_checkpoint(str(paths[0])), {"test/accuracy": 0.5}, path)
    ask = client(Trial(path))
    about = ask.get("/about").json()
    assert about["summary"].startswith("2 networks, the first: 6 components")
    assert about["summary"].endswith("; right on 50.0 % of the test images.")
    both = [ask.post(f"/look?network={number}", content=a_file()).json() for number in (0, 1)]
    alone = [client(Trial(path)).post("/look", content=a_file()).json() for path in paths]
    mean = [sum(pair) / 2 for pair in zip(*(one["probabilities"] for one in alone), strict=True)]
    for found, one in zip(both, alone, strict=True):
        assert found["probabilities"] == pytest.approx(mean, rel=1e-4)
        assert found["reconstruction"] == one["reconstruction"]
    for number, path in enumerate(paths):  # each by its own components
        near = ask.post(f"/similar?network={number}", content=a_file()).json()
        one = client(Trial(path)).post("/similar", content=a_file()).json()
        assert [near[space] for space in ("features", "hidden")] == [one[space] for space in ("features", "hidden")]
    assert "of network 1" in both[0]["measure"]
    assert "The mean of 2 networks." in both[0]["bars"]
    assert ask.post("/look?network=2", content=a_file()).status_code == 400


def test_wrong_files_are_met_with_a_sentence(trial: Trial, monkeypatch: pytest.MonkeyPatch):
    ask = client(trial)
    for content in (b"", b"no image", a_file()[:60], b"%PDF-1.7\n", b"\0" * 999):
        answer = ask.post("/image", content=content)
        assert answer.status_code == 415
        assert re.fullmatch(r"This cannot be read as an image \(.*\)\. Files of .* can\.", answer.json()["error"])
        assert "/tmp" not in answer.json()["error"]
    monkeypatch.setattr(app, "LARGEST", 2_000_000)
    assert ask.post("/image", content=b"x" * 2_000_001).json()["error"] == "This file is larger than 2 MB."
    for wrong in ("components=7", "components=-1", "components=x", "components=²", "network=1"):
        answer = ask.post(f"/look?{wrong}", content=a_file())
        assert (answer.status_code, "must be a whole number" in answer.json()["error"]) == (400, True)


def test_only_this_machine_s_own_page_may_ask(trial: Trial):
    ask = client(trial)
    for path in ("/", "/about", "/demo.js"):
        assert ask.get(path, headers={"Host": "rebound.example:8000"}).status_code == 400
        assert ask.get(path, headers={"Host": "localhost:8000"}).status_code == 200
    for origin in ("http://rebound.example", "null", "http://127.0.0.1:9999"):
        assert ask.post("/look", content=a_file(), headers={"Origin": origin}).status_code == 403
    assert ask.post("/look", content=a_file(), headers={"Origin": HERE}).status_code == 200
    policy = ask.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_page_s_files_are_served_and_name_nothing_outside(trial: Trial):
    ask = client(trial)
    kinds = {"": "text/html", "index.html": "text/html", "style.css": "text/css", "demo.js": "text/javascript"}
    for name, kind in kinds.items():
        answer = ask.get(f"/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert not re.search("https?:|//[a-z]|@import|url\\(", answer.text.replace("// ", ""))
        assert len(answer.text.splitlines()) <= 250
    assert ask.get("/../app.py").status_code == 404
    assert sorted(path.name for path in PAGE.iterdir()) == ["demo.js", "index.html", "style.css"]


def test_without_images_there_is_a_reason(trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch):
    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError("they are nowhere")

    monkeypatch.setattr("cifar_mlp.demo.trial.data_of", gone)
    trial = Trial(trained("whitened"))
    ask = client(trial)
    assert ask.get("/about").json()["missing"] == "they are nowhere"
    assert ask.get("/picks").json() == []
    assert ask.post("/look", content=a_file()).status_code == 200
    with pytest.raises(FileNotFoundError):
        Trial(trained("whitened"), root="nowhere")


def test_training_images_that_are_gone_are_a_sentence(trained: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch):
    trial = Trial(trained("whitened"))

    def gone() -> None:
        raise FileNotFoundError("data_batch_1 does not exist")

    monkeypatch.setattr(trial.data, "train_images", gone)
    answer = client(trial).post("/similar", content=a_file())
    assert (answer.status_code, answer.json()["error"]) == (409, "This is not at hand: data_batch_1 does not exist.")


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_can_be_read_in_light_and_dark():
    modes = re.findall(r":root \{(.*?)\}", (PAGE / "style.css").read_text(), re.DOTALL)
    assert len(modes) == 2
    for mode in modes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", mode))
        for text in ("ink", "soft", "blue", "warn"):
            for ground in ("page", "sheet", "tint"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["bar"], colours["page"]) >= 3
