"""The command line, in this process, on made data in the real file format."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from cifar_mlp.cli import main, run
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE
from cifar_mlp.models import Classifier

SMALL = ["--model.hidden_sizes", "[12, 8]", "--trainer.max_epochs", "2", "--data.batch_size", "50"]


UNUSUAL = ["--data.n_components", "7", "--data.whiten", "true", "--model.activation", "tanh"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs a trained network leaves it for the others."""
    return tmp_path_factory.mktemp("trained") / "lightning_logs"


@pytest.fixture
def trained(small_cifar: Path, kept: Path) -> Path:
    """The best checkpoint of a small run on 7 components, with settings that are not the defaults."""
    if not kept.is_dir():
        run(["fit", *SMALL, *UNUSUAL])
        shutil.copytree("lightning_logs", kept)
    shutil.copytree(kept, "lightning_logs", dirs_exist_ok=True)
    return Path("lightning_logs/default/version_0/checkpoints/best.ckpt").resolve()


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which a command fails; nothing may be left behind."""
    before = set(Path().rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code != 0
    assert set(Path().rglob("*")) == before, "something was written"
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("cifar-mlp: error: ")
    return lines[0]


def test_a_run_leaves_its_config_record_and_checkpoints(trained: Path):
    folder = trained.parents[1]
    assert {"config.yaml", "provenance.json"} <= {path.name for path in folder.iterdir()}
    assert {path.name for path in trained.parent.iterdir()} == {"best.ckpt", "last.ckpt"}
    (record,) = json.loads((folder / "provenance.json").read_text())
    assert record["steps"] == 10
    assert {"commit", "torch", "device", "date", "seed", "precision"} <= record.keys()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["data"]["n_components"] == 7
    assert config["model"]["init_args"]["hidden_sizes"] == [12, 8]


def test_a_checkpoint_is_safe_to_load_and_plain(trained: Path):
    for path in trained.parent.iterdir():
        assert torch.serialization.get_unsafe_globals_in_checkpoint(path) == []
        content = torch.load(path, weights_only=True)
        for key in ("hyper_parameters", "datamodule_hyper_parameters", "cifar_mlp", "provenance"):
            assert json.loads(json.dumps(content[key])) == content[key], key


def test_a_checkpoint_alone_repeats_the_test_to_the_last_digit(trained: Path, monkeypatch: pytest.MonkeyPatch):
    command = run(["fit", *SMALL, *UNUSUAL])
    path = command.trainer.checkpoint_callbacks[0].best_model_path
    expected = command.trainer.test(command.model, command.datamodule, ckpt_path=path, weights_only=True)[0]
    shutil.copy(path, "alone.ckpt")
    shutil.rmtree("lightning_logs")
    monkeypatch.setenv("HOME", "nowhere")  # no cache either
    monkeypatch.setattr("cifar_mlp.data.pca_fit.fit", lambda *_: pytest.fail("must not fit again"))
    again = run(["test", "--ckpt_path", "alone.ckpt"]).trainer.callback_metrics
    assert {name: float(value) for name, value in again.items()} == expected
    assert not Path("lightning_logs").exists()


def test_testing_reads_no_training_file(trained: Path, small_cifar: Path):
    for path in small_cifar.rglob("data_batch_*"):
        path.unlink()
    metrics = run(["test", "--ckpt_path", str(trained)]).trainer.callback_metrics
    assert "test/accuracy" in metrics
    assert {"test/loss", "test/macro_f1", "test/calibration_error"} <= metrics.keys()


def test_the_usual_place_that_images_come_from_is_said(
    trained: Path, small_cifar: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv(ROOT_VARIABLE)
    Path("data").symlink_to(small_cifar)
    for command in ("validate", "test", "predict"):
        run([command, "--ckpt_path", str(trained)])
        assert "images from data/cifar-10-batches-py\n" in capsys.readouterr().out, command


def test_in_python_a_checkpoint_takes_byte_images(trained: Path):
    model = Classifier.load_from_checkpoint(trained, weights_only=True)
    assert model.class_names[3] == "cat"
    assert model.network.hidden[0].affine.in_features == 7
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    logits = model.eval()(images)
    assert logits.shape == (4, 10)
    assert torch.equal(model.network(model.preprocessing(images)), logits)
    with pytest.raises(ValueError, match="fitted preprocessing"):
        Classifier(3072)(images)
    with pytest.raises(ValueError, match="in_features is not known"):
        Classifier()(images)


def test_predict_writes_a_row_for_every_file(trained: Path):
    from PIL import Image

    Path("images").mkdir()
    for index, mode in enumerate(["RGB", "L", "RGBA", "P"]):
        Image.new(mode, (40 + index, 30)).save(f"images/{index}.png")
    Path("images/broken.png").write_bytes(b"\x89PNG broken")
    run(["predict", "--ckpt_path", str(trained), "--data.predict_path", "images", "--data.output", "out.csv"])
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [*(f"images/{index}.png" for index in range(4)), "images/broken.png"]
    names = Classifier.load_from_checkpoint(trained).class_names
    for row in rows[:4]:
        probabilities = [float(row[name]) for name in names]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == names[probabilities.index(max(probabilities))]
        assert row["error"] == ""
    assert rows[4]["predicted"] == ""
    assert rows[4]["error"].startswith("UnidentifiedImageError")
    assert {path.name for path in Path().iterdir()} == {"images", "out.csv", "lightning_logs"}


def test_predict_takes_a_list_and_the_test_images(trained: Path):
    from PIL import Image

    Image.new("RGB", (9, 9)).save("one.png")
    run(["predict", "--ckpt_path", str(trained), "--data.predict_path", "[one.png, one.png]"])
    assert len(Path("predictions.csv").read_text().splitlines()) == 3
    run(["predict", "--ckpt_path", str(trained)])
    assert len(Path("predictions.csv").read_text().splitlines()) == 101


def settings_of(*arguments: str) -> tuple[dict, dict]:
    command = run(["validate", *arguments])
    return command.model.settings, command.datamodule.settings


def test_default_then_checkpoint_then_config_then_command_line(trained: Path):
    assert Classifier().settings["activation"] == "relu"
    model, data = settings_of("--ckpt_path", str(trained))
    assert (model["activation"], model["hidden_sizes"]) == ("tanh", [12, 8])
    assert (data["n_components"], data["batch_size"]) == (7, 50)
    Path("my.yaml").write_text("model: {activation: gelu, label_smoothing: 0.1}\ndata: {batch_size: 40}\n")
    model, data = settings_of("--ckpt_path", str(trained), "--config", "my.yaml")
    assert (model["activation"], model["label_smoothing"], data["batch_size"]) == ("gelu", 0.1, 40)
    assert model["hidden_sizes"] == [12, 8]
    options = ["--model.activation", "silu", "--data.batch_size", "30"]
    model, data = settings_of("--ckpt_path", str(trained), "--config", "my.yaml", *options)
    assert (model["activation"], model["label_smoothing"], data["batch_size"]) == ("silu", 0.1, 30)


def test_the_seed_of_a_checkpoint_is_kept_too(small_cifar: Path):
    run(["fit", *SMALL, "--data.source", "digits", "--seed_everything", "5"])
    checkpoint = next(Path().rglob("best.ckpt"))
    assert run(["test", "--ckpt_path", str(checkpoint)]).datamodule.seed == 5


def test_resuming_takes_settings_given_now(trained: Path):
    arguments = ["fit", "--ckpt_path", str(trained.with_name("last.ckpt")), "--trainer.max_epochs", "3"]
    arguments += ["--trainer.default_root_dir", "elsewhere"]
    command = run([*arguments, "--model.optimizer", "Adam", "--model.optimizer.lr", "0.25"])
    assert command.trainer.global_step == 15
    assert command.trainer.optimizers[0].param_groups[0]["lr"] == 0.25
    assert command.model.settings["activation"] == "tanh"
    assert command.trainer.optimizers[0].param_groups[0]["fused"] is True


def test_a_resumed_run_continues_in_its_folder_without_a_step_twice(trained: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shutil.copy(trained.with_name("last.ckpt"), "two_epochs.ckpt")
    for epochs in ("4", "5"):  # the first goes two epochs too far, as a killed run may
        shutil.copy("two_epochs.ckpt", trained.with_name("last.ckpt"))
        run(["fit", "--ckpt_path", str(trained.with_name("last.ckpt")), "--trainer.max_epochs", epochs])
    assert [path.name for path in trained.parents[2].iterdir()] == ["version_0"]
    events = EventAccumulator(str(trained.parents[1]), size_guidance={"scalars": 0}).Reload()
    assert [event.step for event in events.Scalars("val/accuracy")] == [4, 9, 14, 19, 24]


def test_a_resumed_run_keeps_the_checkpoint_s_preprocessing(trained: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "nowhere")  # no cache
    monkeypatch.setattr("cifar_mlp.data.pca_fit.fit", lambda *_: pytest.fail("must not fit again"))
    command = run(["fit", "--ckpt_path", str(trained.with_name("last.ckpt")), "--trainer.max_epochs", "3"])
    saved = torch.load(trained, weights_only=True)["state_dict"]
    components = command.datamodule.preprocessing.pca.components
    assert torch.equal(components, saved["preprocessing.pca.components"])


def test_digits_are_called_digits_everywhere(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    command = run(["fit", *SMALL, "--data.source", "digits"])
    assert Path("lightning_logs/digits-default/version_0").is_dir()
    assert all(name.startswith("digits/") for name in command.trainer.callback_metrics)
    assert "digits" in capsys.readouterr().out


def test_tensorboard_gets_the_metrics_by_their_names(trained: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.parents[1]), size_guidance={"scalars": 0, "images": 0}).Reload()
    tags = set(events.Tags()["scalars"])
    evaluation = {"loss", "accuracy", "macro_f1", "calibration_error"}
    assert {"train/loss", "train/accuracy", *(f"val/{name}" for name in evaluation)} <= tags
    assert [event.step for event in events.Scalars("val/accuracy")] == [4, 9]


def test_a_step_limit_is_kept_to_the_step_and_its_end_is_saved(small_cifar: Path):
    command = run(["fit", *SMALL[:2], "--trainer.max_steps", "13", "--data.sampling", "replacement"])
    assert command.trainer.global_step == 13
    assert torch.load(next(Path().rglob("last.ckpt")), weights_only=True)["global_step"] == 13


@pytest.mark.parametrize(
    ("option", "value", "name", "expected"),
    [
        ("--model.dropout", "0.5", "dropout", 0.5),
        ("--model.normalization", "batch", "normalization", "batch"),
        ("--model.initialization", "kaiming", "initialization", "kaiming"),
        ("--model.label_smoothing", "0.2", "label_smoothing", 0.2),
        ("--model.lr_interval", "step", "lr_interval", "step"),
    ],
)
def test_bare_model_options_work(small_cifar: Path, option: str, value: str, name: str, expected: object):
    command = run(["fit", "--trainer.fast_dev_run", "true", "--data.batch_size", "50", option, value])
    assert command.model.settings[name] == expected


def test_another_module_of_the_package_can_be_named(small_cifar: Path):
    command = run(["fit", "--trainer.fast_dev_run", "1", "--data.batch_size", "50", "--model", "Classifier"])
    assert type(command.model) is Classifier


def test_the_schedule_decays_once_an_epoch_or_once_a_step(small_cifar: Path):
    schedule = ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma", "0.5"]
    fast = ["--model.optimizer", "SGD", "--model.optimizer.lr", "1.0"]
    by_epoch = run(["fit", *SMALL, *schedule, *fast])
    assert by_epoch.trainer.optimizers[0].param_groups[0]["lr"] == 0.25
    by_step = run(["fit", *SMALL, *schedule, *fast, "--model.lr_interval", "step"])
    assert by_step.trainer.optimizers[0].param_groups[0]["lr"] == 0.5**10


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_features_of_any_type_train_a_float32_network(small_cifar: Path, dtype: str):
    command = run(["fit", *SMALL, "--data.dtype", dtype])
    assert command.model.network.output.weight.dtype == torch.float32
    assert command.trainer.global_step == 10


def test_mixed_precision_trains_and_tests(small_cifar: Path):
    command = run(["fit", *SMALL, "--data.n_components", "7", "--trainer.precision", "bf16-mixed"])
    path = command.trainer.checkpoint_callbacks[0].best_model_path
    assert run(["test", "--ckpt_path", path]).trainer.precision == "32-true"


def test_validate_repeats_the_best_epoch_s_accuracy(trained: Path):
    metrics = run(["validate", "--ckpt_path", str(trained)]).trainer.callback_metrics
    best = torch.load(trained, weights_only=True)["callbacks"]
    (score,) = [state["best_model_score"] for name, state in best.items() if "BestCheckpoint" in name]
    assert metrics["val/accuracy"] == pytest.approx(float(score))


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_untrained_network_is_not_evaluated(small_cifar: Path, capsys: pytest.CaptureFixture[str], command: str):
    assert f"{command} needs --ckpt_path" in error_of(capsys, command)


@pytest.mark.parametrize("arguments", [["fit", "--help"], ["--help"], ["fit", "--model.help"]])
def test_help_leads_to_the_network_s_options(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    expected = {
        "fit --help": "cifar-mlp fit --model.help",
        "--help": "cifar-mlp fit --help",
        "fit --model.help": "Probability of dropping a hidden unit while training",
    }
    assert expected[" ".join(arguments)] in text
    if arguments == ["fit", "--help"]:
        assert "Images per optimizer step on each device" in text


BAD = {
    "missing root": (["--data.root", "nowhere"], r"--data.root: nowhere does not exist.*cifar-10-batches-py"),
    "n_components 0": (["--data.n_components", "0"], "--data.n_components"),
    "n_components too many": (["--data.n_components", "4000"], "--data.n_components.*3072"),
    "hidden size 0": (["--model.hidden_sizes", "[0]"], "hidden_sizes"),
    "hidden size no number": (["--model.hidden_sizes", "[a]"], "hidden_sizes"),
    "batch size": (["--data.batch_size", "9999"], "--data.batch_size"),
    "val size": (["--data.val_size", "300"], "--data.val_size"),
    "activation": (["--model.activation", "swish"], "activation.*swish"),
    "source": (["--data.source", "mnist"], "--data.source.*mnist"),
    "split": (["--data.split", "half"], "data.split.*half"),
    "optimizer": (["--model.optimizer", "Adm"], "optimizer.*Adm"),
    "misspelt option": (["--data.n_componets", "5"], r"n_componets.*did you mean --data.n_components"),
    "misspelt model option": (["--model.hiden_sizes", "[5]"], r"hiden_sizes.*did you mean --model.hidden_sizes"),
    "gpu": (["--trainer.accelerator", "gpu"], r"--trainer.accelerator gpu: this machine has no"),
    "no checkpoint": (["--ckpt_path", "gone.ckpt"], r"--ckpt_path gone.ckpt: no such file"),
    "no config": (["--config", "gone.yaml"], r"gone.yaml"),
    "no schedule setting": (["--model.lr_scheduler", "ExponentialLR"], r"--model.lr_scheduler: .*required: gamma"),
    "devices": (["--trainer.devices", "abc"], r"devices.*should be an int"),
    "tpu": (["--trainer.accelerator", "tpu"], r"--trainer.accelerator tpu: this machine has no"),
    "abbreviation": (["--trainer.max_epoch", "3"], r"max_epoch.*did you mean --trainer.max_epochs"),
    "linked": (["--model.in_features", "12"], r"--model.in_features is taken from the data"),
    "no class": (["--model", "Nonsense"], r"there is no class Nonsense"),
    "few of a class": (["--data.split", "random", "--data.val_size", "5"], r"--data.val_size 5 leaves no share"),
    "cache": (["--data.n_components", "5", "--data.cache_dir", "/dev/null/x"], "--data.cache_dir"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(small_cifar: Path, capsys: pytest.CaptureFixture[str], case: str):
    arguments, expected = BAD[case]
    if case == "gpu" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    batch = [] if "--data.batch_size" in arguments else ["--data.batch_size", "50"]
    assert re.search(expected, error_of(capsys, "fit", *batch, *arguments))


def test_a_damaged_file_stops_the_fit_in_one_line(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    path = next(small_cifar.rglob("data_batch_2"))
    path.write_bytes(path.read_bytes()[:-5])
    assert re.search(r"data_batch_2 is damaged.*MD5.*expected", error_of(capsys, "fit", "--data.batch_size", "50"))


def test_misspelt_yaml_is_named(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    Path("my.yaml").write_text("data: {n_componets: 5}\n")
    assert "n_componets" in error_of(capsys, "fit", "--config", "my.yaml")
    Path("my.yaml").write_text("model: {hiden_sizes: [5]}\n")
    assert "hiden_sizes" in error_of(capsys, "fit", "--config", "my.yaml")
    for content in ("model: [unclosed\n", "", "- a\n", "data: [1]\n", "trainer: 3\n"):
        Path("my.yaml").write_text(content)
        assert "--config my.yaml" in error_of(capsys, "fit", "--config", "my.yaml")


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "another program's"])
def test_a_file_that_is_no_checkpoint_is_refused(trained: Path, capsys: pytest.CaptureFixture[str], damage: str):
    content = {"text": b"hello", "empty": b"", "truncated": trained.read_bytes()[:5000]}
    if damage == "another program's":
        torch.save({"state_dict": {}}, "bad.ckpt")
    else:
        Path("bad.ckpt").write_bytes(content[damage])
    capsys.readouterr()
    assert re.search("bad.ckpt is (no|damaged)", error_of(capsys, "test", "--ckpt_path", "bad.ckpt"))


@pytest.mark.parametrize(
    "options", [["--data.n_components", "9"], ["--data.source", "digits"], ["--data.scaling", "mean_image"]]
)
def test_a_checkpoint_made_for_another_input_is_refused(
    trained: Path, capsys: pytest.CaptureFixture[str], options: list[str]
):
    capsys.readouterr()
    line = error_of(capsys, "test", "--ckpt_path", str(trained), *options)
    assert re.search(rf"--ckpt_path .* was made for inputs with .*{options[0].removeprefix('--')}", line)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--seed_everything", "3"], r"made with --seed_everything 0, not 3"),
        (["--data.split", "random"], r"made with --data.split report, not random"),
        (["--data.val_size", "40"], r"made with --data.val_size None, not 40"),
        (["--model.optimizer", "SGD"], r"--model.optimizer torch.optim.sgd.SGD cannot continue"),
        (["--model.hidden_sizes", "[5]"], r"holds another network: network.hidden.0.affine.weight is \(12, 7\)"),
        (["--trainer.max_epochs", "2"], r"--trainer.max_epochs 2: the checkpoint has 2 behind it"),
    ],
)
def test_going_on_with_what_contradicts_the_checkpoint_is_refused(
    trained: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: str
):
    capsys.readouterr()
    epochs = [] if "--trainer.max_epochs" in options else ["--trainer.max_epochs", "4"]
    line = error_of(capsys, "fit", "--ckpt_path", str(trained.with_name("last.ckpt")), *epochs, *options)
    assert re.search(expected, line)


def test_another_seed_would_test_digits_on_training_images(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    run(["fit", *SMALL, "--data.source", "digits"])
    checkpoint = str(next(Path().rglob("best.ckpt")))
    capsys.readouterr()
    assert "made with --seed_everything 0, not 1" in error_of(
        capsys, "test", "--ckpt_path", checkpoint, "--seed_everything", "1"
    )


def test_a_resumed_run_keeps_its_trainer_settings(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    run(["fit", *SMALL, "--trainer.precision", "bf16-mixed"])
    last = str(next(Path().rglob("last.ckpt")))
    capsys.readouterr()
    assert "--trainer.max_epochs 2: the checkpoint has 2 behind it" in error_of(capsys, "fit", "--ckpt_path", last)
    command = run(["fit", "--ckpt_path", last, "--trainer.max_epochs", "3"])
    assert (command.trainer.precision, command.trainer.global_step) == ("bf16-mixed", 15)


def test_a_schedule_s_settings_given_now_win(small_cifar: Path):
    schedule = ["--model.lr_scheduler", "ExponentialLR", "--model.lr_scheduler.gamma"]
    run(["fit", *SMALL, "--model.optimizer.lr", "0.5", *schedule, "0.9"])
    last = next(Path().rglob("last.ckpt"))
    command = run(["fit", "--ckpt_path", str(last), "--trainer.max_epochs", "3", *schedule, "0.1"])
    assert command.trainer.lr_scheduler_configs[0].scheduler.gamma == 0.1


def test_accumulated_batches_draw_masks_of_their_own(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    seeds: list[int] = []
    seed = torch.manual_seed
    monkeypatch.setattr(
        "cifar_mlp.callbacks.step_seed.torch.manual_seed", lambda value: seeds.append(value) or seed(value)
    )
    run(["fit", *SMALL, "--model.dropout", "0.5", "--trainer.accumulate_grad_batches", "2"])
    assert len(set(seeds) - {0}) == 10  # 0 is the run's own


def test_without_a_logger_nothing_is_recorded_in_the_working_directory_and_it_says_so(
    small_cifar: Path, capsys: pytest.CaptureFixture[str]
):
    run(["fit", *SMALL, "--trainer.logger", "false", "--trainer.enable_checkpointing", "false"])
    assert list(Path().iterdir()) == []
    said = "no run folder: curves, pictures and the run's record are not kept"
    assert said in capsys.readouterr().out.splitlines()
    run(["fit", *SMALL, "--trainer.logger", "false"])
    assert f"{said}; checkpoints replace those in {Path.cwd()}/checkpoints" in capsys.readouterr().out.splitlines()


def test_whitening_what_does_not_vary_is_refused(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["fit", "--data.source", "digits", "--data.n_components", "64", "--data.whiten", "true"])
    assert "--data.whiten_epsilon" in capsys.readouterr().err


def test_a_file_name_that_is_no_text_stops_nothing(trained: Path):
    import os

    from PIL import Image

    Path("images").mkdir()
    Image.new("RGB", (9, 9)).save("images/a.png")
    os.rename(b"images/a.png", b"images/\xff.png")
    run(["predict", "--ckpt_path", str(trained), "--data.predict_path", "images"])
    assert len(Path("predictions.csv").read_text(encoding="utf-8").splitlines()) == 2


def test_predicting_from_nothing_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]):
    Path("empty").mkdir()
    capsys.readouterr()
    predict = ["predict", "--ckpt_path", str(trained)]
    assert "no image files in empty" in error_of(capsys, *predict, "--data.predict_path", "empty")
    assert "does not exist" in error_of(capsys, *predict, "--data.predict_path", "nowhere")
    assert "--data.output" in error_of(capsys, *predict, "--data.output", "nowhere/out.csv")


OWN_MODULE = """
import torch
from lightning.pytorch import LightningModule

class Net(LightningModule):
    def __init__(self, in_features: int, width: int = 4):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(in_features, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))

    def _loss(self, batch):
        x, y = batch
        return torch.nn.functional.cross_entropy(self.net(x), y)

    def training_step(self, batch, batch_idx):
        return self._loss(batch)

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self._loss(batch))

    def test_step(self, batch, batch_idx):
        self.log("test_loss", self._loss(batch))

    def predict_step(self, batch, batch_idx):
        return self.net(batch[0]).softmax(1)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
"""


@pytest.mark.filterwarnings("ignore:best.ckpt will hold the last epoch")
def test_any_lightning_module_fits_tests_and_predicts_by_its_import_path(
    small_cifar: Path, monkeypatch: pytest.MonkeyPatch
):
    Path("own_module.py").write_text(OWN_MODULE)
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    own = ["--model", "own_module.Net", "--model.width", "5"]
    command = run(["fit", *own, "--data.n_components", "7", "--data.batch_size", "50", "--trainer.max_epochs", "2"])
    assert command.model.net[0].weight.shape == (5, 7)
    last = str(next(Path().rglob("last.ckpt")))
    monkeypatch.setattr("cifar_mlp.data.pca_fit.fit", lambda *_: pytest.fail("the PCA is in the cache"))
    tested = run(["test", *own, "--ckpt_path", last]).trainer.callback_metrics
    assert tested.keys() == {"test_loss"}
    run(["predict", *own, "--ckpt_path", last])
    rows = Path("predictions.csv").read_text().splitlines()
    assert len(rows) == 101
    assert rows[0].startswith("file,predicted,airplane,")
    with pytest.raises(ValueError, match="another class than Classifier: name it by --model"):
        run(["test", "--ckpt_path", last])


@pytest.mark.long
def test_the_former_class_of_hand_derived_gradients_is_known_by_its_short_name_in_a_fresh_process():
    command = [sys.executable, "-m", "cifar_mlp", "fit", "--data.source", "digits", "--model", "HandwrittenClassifier"]
    done = subprocess.run([*command, "--print_config"], capture_output=True, text=True, timeout=300)
    assert "class_path: cifar_mlp.models.HandwrittenClassifier" in done.stdout, done.stderr
