"""Every option of trainer, data and network, changed on resume: it is right, or refused in one line that names it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from cifar_mlp.cli import CommandLine, run
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.models import Classifier

STEPS = 13  # of an epoch: 1,257 images in batches of 100
RUN = ["fit", "--data.source", "digits", "--data.n_components", "10", "--model.hidden_sizes", "[8]"]
RUN += ["--data.batch_size", "100", "--trainer.precision", "32-true", "--trainer.max_epochs", "2"]
RUN += ["--views.all", "false", "--trainer.enable_progress_bar", "false", "--model.lr_scheduler", "StepLR"]
RUN += ["--model.lr_scheduler.step_size", "1", "--model.lr_scheduler.gamma", "0.5"]

Check = Callable[[CommandLine], bool]


def steps(number: float) -> Check:
    """So many steps in the resumed epochs, where each is as long as it is now."""
    return lambda command: command.trainer.global_step == 2 * STEPS + number


def trainer(**expected: Any) -> Check:
    """The trainer continues with these settings, and takes an epoch's steps."""
    return lambda command: (
        all(getattr(command.trainer, name) == value for name, value in expected.items()) and steps(STEPS)(command)
    )


def model(**expected: Any) -> Check:
    return lambda command: (
        all(command.model.settings[name] == value for name, value in expected.items()) and steps(STEPS)(command)
    )


def data(**expected: Any) -> Check:
    return lambda command: all(command.datamodule.settings[name] == value for name, value in expected.items())


def rate(value: float) -> Check:
    return lambda command: command.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(value)


ANYWAY = steps(STEPS)  # changes nothing of the training
ELSEWHERE = None  # needs other hardware, or has a test of its own
# Option: the options given on resume, and what must hold, or the refusal
TRAINER: dict[str, tuple[list[str], Any]] = {
    "accelerator": (["cpu"], ANYWAY),
    "strategy": ([], ELSEWHERE),
    "devices": ([], ELSEWHERE),
    "num_nodes": ([], ELSEWHERE),
    "precision": (["64-true"], lambda command: command.model.network.first.weight.dtype == torch.float64),
    "logger": (["false"], trainer(loggers=[])),
    "callbacks": (["EarlyStopping", "--trainer.callbacks.monitor", "digits/val/loss"], ANYWAY),
    "fast_dev_run": (["true"], "--trainer.fast_dev_run starts at the beginning"),
    "max_epochs": (["2"], "--trainer.max_epochs 2: the checkpoint has 2 behind it already"),
    "min_epochs": (["1"], trainer(min_epochs=1)),
    "max_steps": (["30"], steps(4)),
    "min_steps": (["1"], trainer(min_steps=1)),
    "max_time": (["00:00:00:00"], steps(0)),
    "limit_train_batches": (["5"], steps(5)),
    "limit_val_batches": (["1"], trainer(limit_val_batches=1)),
    "limit_test_batches": (["1"], trainer(limit_test_batches=1)),
    "limit_predict_batches": (["1"], trainer(limit_predict_batches=1)),
    "overfit_batches": (["2"], steps(2)),
    "val_check_interval": (["0.5"], trainer(val_check_batch=6)),
    "check_val_every_n_epoch": (["3"], trainer(check_val_every_n_epoch=3)),
    "num_sanity_val_steps": (["1"], trainer(num_sanity_val_steps=1)),
    "log_every_n_steps": (["3"], trainer(log_every_n_steps=3)),
    "enable_checkpointing": (["false"], trainer(checkpoint_callbacks=[])),
    "enable_progress_bar": (["true"], ANYWAY),
    "enable_model_summary": (["true"], ANYWAY),
    "accumulate_grad_batches": (["2"], steps(7)),
    "gradient_clip_val": (["0.5"], trainer(gradient_clip_val=0.5)),
    "gradient_clip_algorithm": (["value"], trainer(gradient_clip_algorithm="value")),
    "deterministic": (["true"], ANYWAY),
    "benchmark": (["true"], ANYWAY),
    "inference_mode": (["false"], ANYWAY),
    "use_distributed_sampler": (["true"], ANYWAY),
    "profiler": (["simple"], ANYWAY),
    "detect_anomaly": (["true"], ANYWAY),
    "barebones": (["true"], "barebones"),
    "plugins": ([], ELSEWHERE),
    "sync_batchnorm": (["true"], ANYWAY),
    "reload_dataloaders_every_n_epochs": (["1"], ANYWAY),
    "default_root_dir": (["new"], lambda command: str(command.trainer.log_dir).startswith("new")),
    "enable_autolog_hparams": (["false"], ANYWAY),
    "model_registry": ([], ELSEWHERE),
}
OTHER_INPUTS, OTHER_IMAGES = "was made for inputs with", "other images would be for training"
DATA: dict[str, tuple[list[str], Any]] = {
    "source": (["cifar10"], "was made for inputs with"),
    "root": ([], ELSEWHERE),
    "mirror": ([], ELSEWHERE),
    "cache_dir": (["cache"], ANYWAY),
    "batch_size": (["200"], steps(7)),
    "split": (["random"], OTHER_IMAGES),
    "val_size": (["100"], OTHER_IMAGES),
    "test_size": (["50"], ANYWAY),
    "num_folds": (["5"], OTHER_IMAGES),
    "fold": (["1", "--data.num_folds", "5"], OTHER_IMAGES),
    "sampling": (["replacement"], steps(12)),
    "augment": (["{crop: 1}"], data(augment={"crop": 1})),
    "scaling": (["standardize"], OTHER_INPUTS),
    "n_components": (["12"], OTHER_INPUTS),
    "whiten": (["true"], OTHER_INPUTS),
    "whiten_epsilon": (["0.1"], OTHER_INPUTS),
    "pca_mirror": (["true"], OTHER_INPUTS),
    "pca_solver": (["sklearn"], ANYWAY),
    "dtype": (
        ["bfloat16"],
        data(dtype="bfloat16"),
    ),
    "byte_images": (["false"], ANYWAY),
    "predict_path": (["x.png"], ANYWAY),
    "output": (["x.csv"], ANYWAY),
    "image_size": (["9"], "--data.image_size needs --data.source folder"),
    "grey": (["true"], "--data.grey needs --data.source folder"),
    "class_names": (["[a, b]"], "--data.class_names needs --data.source folder"),
    "seed": ([], ELSEWHERE),  # --seed_everything, in test_command_line
}
MODEL: dict[str, tuple[list[str], Any]] = {
    "in_features": ([], ELSEWHERE), "num_classes": ([], ELSEWHERE), "metric_prefix": ([], ELSEWHERE),  # the data's
    "hidden_sizes": (["[9]"], "holds another network"),
    "activation": (["tanh"], model(activation="tanh")),
    "dropout": (["0.5"], lambda command: command.model.network.hidden[0].dropout.p == 0.5),
    "normalization": (["batch"], "holds another network"),
    "initialization": (["normal"], "--model.initialization normal: the weights come from the checkpoint"),
    "init_std": (["0.5"], "--model.init_std 0.5: the weights come from the checkpoint"),
    "label_smoothing": (["0.1"], model(label_smoothing=0.1)),
    "regularization": (["0.1"], model(regularization=0.1)),
    "gradients": (["hand"], model(gradients="hand")),
    "matmuls": (["onednn"], model(matmuls="onednn")),
    "optimizer": (["SGD"], "--model.optimizer torch.optim.sgd.SGD cannot continue"),
    "optimizer.lr": (["0.8"], rate(0.8 * 0.5**3)),
    "optimizer.weight_decay": (["0.1"], rate(0.001 * 0.5**3)),
    "optimizer.amsgrad": (["true"], "--model.optimizer.amsgrad"),
    "lr_scheduler": (["ExponentialLR", "--model.lr_scheduler.gamma", "0.5"], "--model.lr_scheduler .* cannot continue"),
    "lr_scheduler.gamma": (["0.1"], rate(0.001 * 0.1**3)),
    "residual_blocks": (["1"], "holds another network"),
    "expansion": (["2"], ANYWAY),
    "ema_decay": (["0.9"], model(ema_decay=0.9)),
    "test_time": (["mirror"], model(test_time="mirror")),
    "lr_interval": (["step"], "--model.lr_interval step: the checkpoint's schedule counts by epoch"),
}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("first")
    run([*RUN, "--trainer.default_root_dir", str(folder)])
    return str(next(folder.rglob("last.ckpt")))


@pytest.mark.parametrize(("section", "kind", "table"), [
    ("trainer", Trainer, TRAINER), ("data", CIFAR10DataModule, DATA), ("model", Classifier, MODEL),
])  # fmt: skip
def test_every_option_has_a_row(section: str, kind: type, table: dict[str, Any]):
    rows, options = {name.partition(".")[0] for name in table}, set(inspect.signature(kind).parameters)
    assert rows >= options, (
        f"--{section}.{' and '.join(sorted(options - rows))}: what happens if it changes on resume? Add a row to the "
        f"table {section.upper()} of this file: the option with a value, and what must hold of the run that continues, "
        "or the words with which it is refused (require_same_data and require_same_epoch refuse)"
    )
    assert rows <= options, f"{sorted(rows - options)}: no options any more, drop their rows"


OFTEN = (
    "trainer.callbacks",
    "trainer.overfit_batches",
    "data.batch_size",
    "model.lr_scheduler.gamma",
    "model.init_std",
)
SELDOM = (pytest.mark.slow, pytest.mark.long)
ROWS = [
    pytest.param(option, given, expected, id=option, marks=() if option in OFTEN else SELDOM)
    for section, table in (("trainer", TRAINER), ("data", DATA), ("model", MODEL))
    for name, (given, expected) in table.items()
    if expected is not ELSEWHERE
    for option in [f"{section}.{name}"]
]


@pytest.mark.filterwarnings("ignore")  # Lightning's own, on some of its options
@pytest.mark.parametrize(("option", "given", "expected"), ROWS)
def test_an_option_changed_on_resume_is_right_or_refused(checkpoint: str, option: str, given: list[str], expected: Any):
    again = ["fit", "--ckpt_path", checkpoint, "--trainer.max_epochs", "3", "--trainer.default_root_dir", "again"]
    if isinstance(expected, str):
        with pytest.raises(Exception, match=expected) as refused:
            run([*again, f"--{option}", *given])
        assert isinstance(refused.value, ValueError | OSError)
        assert "\n" not in str(refused.value)
        assert not Path("again").exists()
    else:
        assert expected(run([*again, f"--{option}", *given])), option


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("data.batch_size", "50", "--data.batch_size 50: .* was taken within an epoch, after 4 batches"),
        pytest.param(
            "data.sampling",
            "replacement",
            "--data.sampling replacement: .* was taken within an epoch",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "trainer.overfit_batches",
            "6",
            "--trainer.overfit_batches 6: .* within an epoch, after 4 batches of --trainer.overfit_batches 0.0",
            marks=pytest.mark.long,
        ),
        (
            "trainer.limit_train_batches",
            "3",
            "--trainer.limit_train_batches 3: .* after 4 batches, and an epoch now has 3",
        ),
        (
            "trainer.devices",
            "2",
            "--trainer.devices 2: .* was taken within an epoch, after 4 batches of --trainer.devices 1",
        ),
        ("trainer.limit_train_batches", "9", None),
        pytest.param("trainer.limit_val_batches", "1", None, marks=pytest.mark.long),
    ],
)
def test_within_an_epoch_its_batches_stay_the_same(own_home: Path, option: str, value: str, said: str | None):
    run([*RUN, "--trainer.max_steps", "4"])
    again = ["fit", "--ckpt_path", "last", "--trainer.max_epochs", "1", "--trainer.max_steps", "-1"]
    again += [f"--{option}", value]
    if said is not None:
        before = sorted(Path().rglob("*"))
        with pytest.raises(ValueError, match=said):
            run(again)
        assert sorted(Path().rglob("*")) == before
    else:
        assert run(again).trainer.global_step == (9 if value == "9" else STEPS)
