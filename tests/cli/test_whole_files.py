"""Nothing that a command leaves is written in its place: a kill at any moment leaves the old file or the new one."""

import os
import sys
from pathlib import Path

import pytest

from cifar_mlp.cli import run
from cifar_mlp.cli.fit_and_test import fit_and_test

DIGITS = ["--data.source", "digits", "--model.hidden_sizes", "[4]", "--data.n_components", "8"]
DIGITS += ["--trainer.max_epochs", "1", "--data.cache_dir", "cache", "--views.projector_images", "9"]
APPENDED = ("events.out.tfevents",)
opened: set[str] = set()


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        path, flags = os.path.abspath(os.fspath(arguments[0])), arguments[2]
        if isinstance(path, str) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            opened.add(path)


@pytest.mark.slow
def test_no_file_is_written_in_its_place(own_home: Path, views: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    import figures

    opened.clear()
    sys.addaudithook(_note)  # stays for the process: it only notes names
    fit_and_test(DIGITS)
    best = str(next(own_home.rglob("best.ckpt")))
    run(["fit", "--ckpt_path", "last", "--trainer.max_epochs", "2"])
    run(["predict", "--ckpt_path", best])
    figures.main([str(next(own_home.rglob("version_0"))), "--output", "drawn"])
    left = {str(path) for path in own_home.rglob("*") if path.is_file()}
    names = {Path(path).name for path in left}
    assert {"config.yaml", "config_2.yaml", "hparams.yaml", "provenance.json", "results_1.json"} <= names
    assert {"best.ckpt", "last.ckpt", "predictions.csv"} <= names
    assert {".png", ".svg"} <= {path.suffix for path in Path("drawn").iterdir()}
    in_place = {path for path in opened & left if not Path(path).name.startswith(APPENDED)}
    assert not in_place
    assert any(".unfinished-" in path for path in opened)
