"""What people type leads to the option, and what they ask Lightning to show is shown."""

import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.cli import ReduceLROnPlateau
from torch.optim import lr_scheduler

from cifar_mlp import CIFAR10DataModule
from cifar_mlp.cli import main, run
from cifar_mlp.cli.option_aliases import suggestion, with_options
from cifar_mlp.cli.parser import SECTIONS
from tests.long_cases import rest_long

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ["--data.source", "digits", "--model.hidden_sizes", "[8]", "--views.all", "false"]
ONE = [*DIGITS, "--trainer.max_epochs", "1"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that fails before it writes anything."""
    before = set(Path().rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        main(["fit", *ONE, *arguments])
    assert stopped.value.code != 0
    assert set(Path().rglob("*")) == before
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert len(line) < 560
    return line


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ("--epochs", "--trainer.max_epochs"), ("--seed", "--seed_everything"), ("--lr", "--model.optimizer.lr"),
        ("--data.dropout", "--model.dropout"), ("--batch-size", "--data.batch_size"), ("--gpus", "--trainer.devices"),
        ("--hidden", "--model.hidden_sizes"), ("--weight-decay", "--model.optimizer.weight_decay"),
        ("--momentum", "--model.optimizer.momentum"), ("--logger", "--trainer.logger"),
        ("--trainer.lr", "--model.optimizer.lr"), ("--trainer.epochs", "--trainer.max_epochs"),
        ("--data.n_componets", "--data.n_components"),
    ],
)  # fmt: skip
def test_what_people_type_leads_to_the_option(typed: str, option: str, capsys: pytest.CaptureFixture[str]):
    assert f"did you mean {option}?" in refused(capsys, typed, "3")


def test_a_network_s_option_that_is_none_leads_to_the_optimizer_s(capsys: pytest.CaptureFixture[str]):
    assert "did you mean --model.optimizer.lr?" in refused(capsys, "--model.lr", "0.1")


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ("num-layers", "model.hidden_sizes"), ("depth", "model.hidden_sizes"), ("nepochs", "trainer.max_epochs"),
        ("warmup", "model.lr_scheduler"), ("step_size", "model.lr_scheduler.step_size"), ("eps", "model.optimizer.eps"),
        ("T_max", "model.lr_scheduler.T_max"), ("shuffle", "data.sampling"), ("init", "model.initialization"),
        ("data.dir", "data.root"), ("wandb", "trainer.logger"), ("model.hiden_sizes", "model.hidden_sizes"),
        ("grad_clip", "trainer.gradient_clip_val"), ("trainer.acelerator", "trainer.accelerator"),
        ("num_workers", None), ("pin_memory", None), ("test", None), ("trainer.name", None), ("qqqqqq", None),
    ],
)  # fmt: skip
def test_a_suggestion_is_near_or_none(typed: str, option: str | None):
    options = [f"{key}.{name}" for key, kind in SECTIONS.items() for name in inspect.signature(kind).parameters]
    expected = "" if option is None else f" (did you mean --{option}?)"
    assert suggestion(f"unrecognized arguments: --{typed} 3", options) == expected


def test_another_message_gets_no_suggestion():
    assert suggestion("some other message", ["trainer.max_epochs"]) == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["test", "best.ckpt"], ["test", "--ckpt_path=best.ckpt"]),
        (["predict", "best.ckpt", "photos"], ["predict", "--ckpt_path=best.ckpt", "--data.predict_path=photos"]),
        (["fit", "mine.yaml", "--a", "1"], ["fit", "--config=mine.yaml", "--a", "1"]),
        (["fit", "--model.hidden_sizes", "600,300"], ["fit", "--model.hidden_sizes", "[600,300]"]),
        (["fit", "--model.hidden_sizes=600"], ["fit", "--model.hidden_sizes=[600]"]),
        (["fit", "--model.hidden_sizes", "[600]"], ["fit", "--model.hidden_sizes", "[600]"]),
        (["nonsense"], ["nonsense"]),
        (["test", "run"], ["test", "--ckpt_path=run"]),
        (
            ["predict", "a.ckpt", "b.png", "c.png"],
            ["predict", "--ckpt_path=a.ckpt", "--data.predict_path=['b.png', 'c.png']"],
        ),
    ],
)
def test_files_and_sizes_are_understood_without_their_option(typed: list[str], meant: list[str]):
    Path("photos").mkdir()
    Path("run/checkpoints").mkdir(parents=True)
    assert with_options(typed) == meant


def test_a_study_and_a_network_of_the_package_are_checkpoints_too():
    Path("study").mkdir()
    assert with_options(["test", "small"]) == ["test", "--ckpt_path=small"]
    with pytest.raises(ValueError, match="what is this"):
        with_options(["test", "study"])
    Path("study/ensemble.ckpt").touch()
    Path("small").mkdir()  # of images
    assert with_options(["predict", "study", "small"]) == ["predict", "--ckpt_path=study", "--data.predict_path=small"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--model.optimizer", "adam"], "there is no class adam (did you mean Adam?)"),
        (["--model.lr_scheduler", "cosine"], "(did you mean CosineAnnealingLR?)"),
        (["--trainer.callbacks+=early_stopping"], "(did you mean EarlyStopping?)"),
        (["--model.optimizer.lr", "fast"], "--model.optimizer.lr: must be a number, not fast"),
        (["--model.optimizer.momentum", "0.9"], "--model.optimizer: Option 'momentum' is not accepted. (given: 0.9)"),
        (["--model.lr_scheduler.gamma", "0.5"], "gamma needs the class that it is of: name it first"),
        (
            ["--model.lr_scheduler", "StepLR", "--model.lr_scheduler.step_size", "x"],
            "step_size: must be a whole number, not x",
        ),
        (["--seed_everything", "-1"], "--seed_everything must be between 0 and 4294967295, not -1"),
        (
            [
                "--model.lr_scheduler", "OneCycleLR", "--model.lr_scheduler.max_lr", "0.1",
                "--model.lr_scheduler.total_steps", "2", "--model.lr_interval", "step", "--data.batch_size", "20",
            ],
            "--model.lr_scheduler.total_steps 2: the training has 63 steps",
        ),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_would_do(typed: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    line = refused(capsys, *typed)
    assert said in line
    assert line.endswith(said) or "did you mean" not in line


def test_a_word_alone_that_means_nothing_leads_to_the_options(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["test", "something"])
    assert stopped.value.code == 1
    assert "A checkpoint follows --ckpt_path" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("accumulate_grad_batches", "0", "must be at least 1, not 0"),
        ("check_val_every_n_epoch", "0", "must be at least 1, not 0"),
        ("barebones", "true", "--trainer.enable_checkpointing false"),
        ("default_root_dir", "/dev/null", "/dev/null/lightning_logs/digits-default cannot be made (Not a directory)"),
    ],
)
def test_what_a_trainer_s_option_must_not_be(option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]):
    line = refused(capsys, f"--trainer.{option}", value)
    assert f"--trainer.{option}" in line
    assert said in line


def test_types_are_named_in_words(capsys: pytest.CaptureFixture[str]):
    assert "a list such as [550, 128]" in refused(capsys, "--model.hidden_sizes", "abc")


@pytest.mark.parametrize("monitor", ["val_loss", "loss", "test/accuracy"])
@pytest.mark.parametrize("what", ["EarlyStopping", "ModelCheckpoint"])
def test_a_metric_that_will_not_exist_is_refused_before_training(
    what: str, monitor: str, capsys: pytest.CaptureFixture[str]
):
    line = refused(capsys, f"--trainer.callbacks+={what}", "--trainer.callbacks.monitor", monitor)
    assert repr(monitor) in line
    assert "digits/val/loss" in line


def test_a_schedule_s_metric_is_checked_too(capsys: pytest.CaptureFixture[str]):
    options = ["--model.lr_scheduler", "ReduceLROnPlateau", "--model.lr_scheduler.monitor", "val_loss"]
    assert "--model.lr_scheduler.monitor" in refused(capsys, *options)


def test_a_monitor_without_the_source_s_prefix_is_meant_with_it(capsys: pytest.CaptureFixture[str]):
    stop = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/accuracy"]
    stop += ["--trainer.callbacks.mode=max", "--trainer.callbacks.patience=1", "--trainer.callbacks.min_delta=2.0"]
    command = run(["fit", *DIGITS, "--trainer.max_epochs", "5", *stop])
    assert command.trainer.current_epoch == 2
    assert "stopped early: Monitored metric digits/val/accuracy did not improve" in capsys.readouterr().out


def test_a_training_that_stops_in_its_first_epoch_says_why(capsys: pytest.CaptureFixture[str]):
    stop = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/loss"]
    command = run(["fit", *DIGITS, "--trainer.max_epochs", "3", *stop, "--trainer.callbacks.stopping_threshold=99"])
    assert command.trainer.current_epoch == 1
    assert "stopped early: Stopping threshold reached" in capsys.readouterr().out
    again = run(["fit", "--ckpt_path", "last", "--trainer.max_epochs", "2", *stop])  # without the threshold
    assert again.trainer.current_epoch == 2
    assert "stopped early" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "callback",
    [
        ["Timer", "--trainer.callbacks.duration", "00:00:09:00"],
        ["StochasticWeightAveraging", "--trainer.callbacks.swa_lrs", "0.01"],
    ],
)
def test_a_callback_whose_defaults_yaml_has_no_words_for_is_kept_in_the_config(callback: list[str]):
    kind = callback[0]
    command = run(["fit", *ONE, f"--trainer.callbacks+={kind}", *callback[1:]])
    assert kind in [type(one).__name__ for one in command.trainer.callbacks]
    config = str(Path(command.trainer.log_dir or "") / "config.yaml")
    again = run(["fit", "--config", config])
    assert kind in [type(one).__name__ for one in again.trainer.callbacks]


@pytest.mark.parametrize("tuner", ["BatchSizeFinder", "LearningRateFinder"])
def test_a_tuner_is_refused(tuner: str, capsys: pytest.CaptureFixture[str]):
    assert f"--trainer.callbacks {tuner} does not work here: set --" in refused(capsys, f"--trainer.callbacks+={tuner}")


@pytest.mark.parametrize("name", ["ReduceLROnPlateau", "torch.optim.lr_scheduler.ReduceLROnPlateau"])
@pytest.mark.parametrize("gradients", rest_long(["autograd", "hand"], ["hand"]))
def test_the_plateau_schedule_is_lightning_s_and_watches(name: str, gradients: str):
    monitor = ["--model.lr_scheduler.monitor", "val/loss"] if "." not in name else []
    settled = ["--model.lr_scheduler.patience", "0", "--model.lr_scheduler.threshold", "9.0"]
    options = ["--model.gradients", gradients, "--model.lr_scheduler", name, *monitor, *settled]
    command = run(["fit", *DIGITS, "--trainer.max_epochs", "3", *options])
    (schedule,) = command.trainer.lr_scheduler_configs
    assert isinstance(schedule.scheduler, ReduceLROnPlateau)
    assert schedule.monitor == "digits/val/loss"
    (group,) = command.trainer.optimizers[0].param_groups
    assert group["lr"] < 1e-3  # nothing counts as better: it fell


def test_any_of_torch_s_schedules_is_found_by_its_short_name():
    names = {kind.__name__ for kind in lr_scheduler.LRScheduler.__subclasses__() if not kind.__name__.startswith("_")}
    assert {"ExponentialLR", "OneCycleLR", "CosineAnnealingLR"} <= names
    command = run(["fit", *ONE, "--model.lr_scheduler", "LinearLR"])
    assert isinstance(command.trainer.lr_scheduler_configs[0].scheduler, lr_scheduler.LinearLR)


def test_an_epoch_s_line_shows_its_own_figures_or_a_dash(capsys: pytest.CaptureFixture[str]):
    run(["fit", *DIGITS, "--trainer.max_epochs", "4", "--trainer.limit_train_batches", "5", "--trainer.max_steps", "7"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    assert " -" not in lines[0]
    assert re.search(r"train/loss -  digits/val/accuracy -  digits/val/loss -$", lines[1])


def test_epochs_without_validation_show_a_dash(capsys: pytest.CaptureFixture[str]):
    run(["fit", *DIGITS, "--trainer.max_epochs", "3", "--trainer.check_val_every_n_epoch", "2"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert [line.endswith("digits/val/loss -") for line in lines] == [False, False, True]
    assert "val/loss" not in lines[0]  # no validation yet, so no such metric


def test_too_many_processes_are_refused(capsys: pytest.CaptureFixture[str]):
    assert "--trainer.devices 100000" in refused(capsys, "--trainer.devices", "100000", "--trainer.accelerator", "cpu")


def test_an_unforeseen_error_is_one_line_too(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["fit", *ONE, "--model.optimizer", "SparseAdam"])  # fails in its first step
    assert stopped.value.code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("cifar-mlp: error: RuntimeError: SparseAdam")
    assert "CIFAR_MLP_DEBUG=1" in last


@pytest.mark.parametrize("source", ["cifar10", "cifar100", "digits"])
def test_a_data_module_can_be_pickled(source: str):
    data = CIFAR10DataModule(source=source, n_components=5)
    again = pickle.loads(pickle.dumps(data))
    assert (again.num_features, again.class_names) == (data.num_features, data.class_names)


@pytest.mark.long
def test_a_profiler_s_report_is_shown():
    command = [sys.executable, "-m", "cifar_mlp", "fit", *ONE, "--trainer.profiler", "simple"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "FIT Profiler Report" in done.stdout + done.stderr
    assert "GPU available" not in done.stdout + done.stderr


@pytest.mark.long
def test_the_mean_loss_over_two_processes_is_over_images(monkeypatch: pytest.MonkeyPatch):
    """As on one process, for an odd number of validation images: 269 of the digits."""
    script = Path("two.py")
    script.write_text(
        "from cifar_mlp.cli import run\nimport sys\n"
        "if __name__ == '__main__':\n"
        "    command = run(sys.argv[1:])\n"
        "    if command.trainer.is_global_zero:\n"
        "        print('LOSS', float(command.trainer.callback_metrics['digits/val/loss']))\n"
    )
    run(["fit", *ONE, "--trainer.precision", "32-true"])
    checkpoint = str(next(Path().rglob("last.ckpt")))
    losses = []
    for devices in ("1", "2"):
        options = ["--data.val_size", "269", "--trainer.devices", devices, "--trainer.accelerator", "cpu"]
        command = [sys.executable, str(script), "validate", "--ckpt_path", checkpoint, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        losses.append(float(re.findall(r"LOSS (\S+)", done.stdout)[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert torch.isfinite(torch.tensor(losses)).all()


@pytest.mark.parametrize(
    ("arguments", "config"), [(["--trainer.max_epochs", "3"], "q4_best"), (["--config", "quickstart"], "quickstart")]
)
def test_fit_sh_keeps_its_config_unless_another_is_named(
    arguments: list[str], config: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import fit_and_test

    given: list[list[str]] = []
    monkeypatch.setattr("cifar_mlp.cli.fit_and_test.fit_and_test", given.append)
    fit_and_test.main(arguments)
    (words,) = given
    assert words[words.index("--config") + 1] == config
    assert words.count("--config") == 1
    assert words[-len(arguments) :] == arguments
