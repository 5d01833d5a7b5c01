"""scripts/figures.py: pictures from a checkpoint alone, and two runs compared."""

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cifar_mlp.cli import run
from cifar_mlp.common.run_folder import differing, read_run

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "figures.py"
PICTURES = {"first_layer_weights", "eigen_images", "explained_variance", "reconstructions", "confusion_matrix",
            "reliability", "most_confident_errors", "class_averages"}  # fmt: skip
SMALL = ["fit", "--data.source", "digits", "--data.n_components", "6", "--model.hidden_sizes", "[5]"]
SMALL += ["--trainer.max_epochs", "2"]


@pytest.fixture
def figures() -> Callable[[list[str]], int]:
    return runpy.run_path(str(SCRIPT))["main"]


def folder_of(*options: str) -> Path:
    return Path(run([*SMALL, *options]).trainer.log_dir)


def check(folder: Path, names: set[str]) -> None:
    assert {path.name for path in folder.iterdir() if path.suffix in (".png", ".svg")} == {
        f"{name}.{suffix}" for name in names for suffix in ("png", "svg")
    }
    for name in names:
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.info["dpi"][0] > 200
        assert "<svg" in (folder / f"{name}.svg").read_text()


def test_a_checkpoint_alone_gives_every_picture(figures: Callable[[list[str]], int]):
    trained = folder_of()
    shutil.copy(trained / "checkpoints" / "best.ckpt", "alone.ckpt")
    shutil.rmtree("lightning_logs")
    assert figures(["alone.ckpt"]) == 0
    check(Path("alone_figures"), PICTURES)


def test_two_runs_are_compared(figures: Callable[[list[str]], int], views: None, capsys: pytest.CaptureFixture[str]):
    folders = [folder_of("--views.components", "false", "--model.activation", name) for name in ("relu", "tanh")]
    assert figures([*map(str, folders), "--output", "both"]) == 0
    check(Path("both"), {"curves", "class_accuracy"})
    names = [f"digits-default/version_{number}" for number in range(2)]
    assert (Path("both") / "settings.md").read_text().splitlines() == [
        f"| setting | {names[0]} | {names[1]} |",
        "| --- | --- | --- |",
        "| model.init_args.activation | relu | tanh |",
    ]
    assert "model.init_args.activation" in capsys.readouterr().out
    first = read_run(folders[0])
    assert first.curves["val/loss"][0] == [6, 13]
    assert len(first.class_accuracy()) == 10
    assert differing(first.settings, first.settings) == []
    assert differing({"a": 1, "b": 2}, {"b": 3}) == [("a", "1", ""), ("b", "2", "3")]


def test_a_user_error_is_one_line(figures: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]):
    Path("empty").mkdir()
    for arguments in (["gone.ckpt"], ["empty"], ["empty", "empty"]):
        assert figures(arguments) == 1
        assert capsys.readouterr().err.count("\n") == 1
