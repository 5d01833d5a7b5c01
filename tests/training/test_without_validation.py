"""All images train: there is no best epoch, and the last one is tested."""

import json
from pathlib import Path

import pytest
import torch

from cifar_mlp.cli import main, run
from cifar_mlp.cli.fit_and_test import fit_and_test
from cifar_mlp.common.results import as_row
from cifar_mlp.common.run_folder import read_run
from cifar_mlp.data.digits import Digits
from cifar_mlp.training.checkpoint_pictures import album, checkpoint_of
from tests.training.killed import differences, left_by

SETTINGS = ["--data.source", "digits", "--data.n_components", "8", "--model.hidden_sizes", "[6]"]
SETTINGS += ["--model.dropout", "0.2", "--data.batch_size", "200", "--resume", "auto"]
ALL = [*SETTINGS, "--data.val_size", "0"]
RUN = Path("lightning_logs/digits-default/version_0")


def test_all_images_train_and_the_last_epoch_is_tested(views: None, capsys: pytest.CaptureFixture[str]):
    results = fit_and_test([*ALL, "--trainer.max_epochs", "2"])
    said = capsys.readouterr()
    assert "no validation: training on all 1,527 images, without a best epoch; the last epoch is tested" in said.out
    assert "fast loop" in said.out
    assert "last epoch (2)" in said.out
    assert "best epoch" not in said.out.replace("without a best epoch", "")
    assert "not drawn" not in said.err
    assert results.keys() == {"config", "last", "provenance"}
    assert not any(name.startswith("val/") and value for name, value in results["last"].items())
    assert json.loads((RUN / "results.json").read_text()) == results
    assert as_row(Path(__file__).parents[2] / "configs/quickstart.yaml", [], 0, results)["last"]["epoch"] == 2
    assert [path.name for path in (RUN / "checkpoints").iterdir()] == ["last.ckpt"]
    curves = read_run(RUN).curves
    assert not [name for name in curves if "val" in name]
    assert curves["within/hp/test_accuracy"][1] == [pytest.approx(results["last"]["test/accuracy"])]
    pictures = {path.stem for path in (RUN / "pictures").iterdir()}
    assert pictures == {"eigen_images", "first_layer_weights", "test_confusion_matrix"}
    titles = [figure for name, figure in album(checkpoint_of(RUN)) if name == "confusion_matrix"]
    assert any("Test" in text.get_text() for text in titles[0].findobj() if hasattr(text, "get_text"))

    images = Digits().load(None, "train", 0)[0]
    mean = torch.load(RUN / "checkpoints/last.ckpt", weights_only=True)["state_dict"]["preprocessing.pca.mean"]
    assert torch.allclose(mean.float(), images.flatten(1).float().mean(0) / 127.5 - 1, atol=1e-5)

    run(["fit", *ALL, "--trainer.max_epochs", "3"])  # what was tested is out of date
    assert not (RUN / "pictures/test_confusion_matrix.png").exists()
    assert torch.tensor(read_run(RUN).curves["within/hp/test_accuracy"][1][-1]).isnan()


def test_a_resumed_run_ends_with_the_same_bits_and_keeps_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, epochs in (("unbroken", ("3",)), ("resumed", ("1", "3"))):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        for limit in epochs:
            run(["fit", *ALL, "--trainer.max_epochs", limit])
    assert not differences(left_by(tmp_path / "resumed"), left_by(tmp_path / "unbroken"))
    run(["fit", *SETTINGS, "--trainer.max_epochs", "4"])  # another run, since its images are others
    assert (RUN.with_name("version_1") / "checkpoints/best.ckpt").is_file()
    for options in (
        ["fit", "--data.val_size", "270", "--trainer.max_epochs", "9"],
        ["validate"],
        ["validate", "--data.val_size", "270"],
    ):
        with pytest.raises(
            ValueError, match=r"made with --data.val_size 0, not 270|was trained on all images: use test"
        ):
            run([*options, "--ckpt_path", str(RUN)])
    run(["test", "--ckpt_path", str(RUN)])


STOP = ["--trainer.callbacks", "EarlyStopping", "--trainer.callbacks.monitor", "val/loss"]
PLATEAU = ["--model.lr_scheduler", "ReduceLROnPlateau", "--model.lr_scheduler.monitor", "val/loss"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (STOP, "--trainer.callbacks EarlyStopping"),
        ([*STOP, "--trainer.callbacks.strict", "false"], "--trainer.callbacks EarlyStopping"),
        (["--trainer.callbacks", "cifar_mlp.callbacks.BestCheckpoint"], "--trainer.callbacks BestCheckpoint"),
        (PLATEAU, "--model.lr_scheduler.monitor"),
        (["--data.num_folds", "5"], "--data.num_folds 5"),
    ],
)
def test_what_needs_validation_is_refused(options: list[str], named: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["fit", *ALL[:-4], "--data.val_size", "0", *options])
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert "--data.val_size 0 leaves no validation" in line
    assert not Path("lightning_logs").exists()
