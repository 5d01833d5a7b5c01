"""A file of Lightning's ModelCheckpoint, whichever hook saved it, continues to the same bits and curves."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cifar_mlp.cli import run
from tests.long_cases import rest_long
from tests.training.killed import differences, left_by
from tests.training.test_resume import RUN

SAVED = "lightning.pytorch.callbacks.ModelCheckpoint"
KEEP_ALL = [f"--trainer.callbacks+={SAVED}", "--trainer.callbacks.save_top_k=-1", "--trainer.callbacks.filename={step}"]
EVERY_OTHER = "--trainer.check_val_every_n_epoch=2"
BY_STEPS = "--trainer.check_val_every_n_epoch=null"
ALWAYS = ("validated every other epoch", "batches add up")
EPOCHS, STEPS = 4, 13  # of an epoch
SETTINGS = {
    "validated every other epoch": [EVERY_OTHER],
    "validated every third": ["--trainer.check_val_every_n_epoch=3"],
    "validated twice an epoch": ["--trainer.val_check_interval=0.5"],
    "validated by steps": ["--trainer.val_check_interval=11", BY_STEPS],
    "validated by an epoch's steps": ["--trainer.val_check_interval=13", BY_STEPS],
    "saved at epochs' ends": ["--trainer.callbacks.save_on_train_epoch_end=true", EVERY_OTHER],
    "saved by an epoch's steps": ["--trainer.callbacks.every_n_train_steps=13"],
    "saved by steps": ["--trainer.callbacks.every_n_train_steps=5"],
    "not validated": ["--trainer.limit_val_batches=0"],
    "batches add up": ["--trainer.accumulate_grad_batches=3", "--trainer.val_check_interval=11", BY_STEPS],
    "autograd's add up": [
        "--trainer.accumulate_grad_batches=3",
        "--trainer.val_check_interval=11",
        BY_STEPS,
        "--model.gradients=autograd",
    ],
    "a schedule waits for validation": [
        EVERY_OTHER,
        "--model.lr_scheduler=ReduceLROnPlateau",
        "--model.lr_scheduler.patience=0",
        "--model.lr_scheduler.monitor=val/loss",
    ],
    "a callback waits for validation": [
        EVERY_OTHER,
        "--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping",
        "--trainer.callbacks.monitor=val/loss",
    ],
    "weights are averaged": [EVERY_OTHER, "--model.ema_decay=0.9"],
    "draws with replacement": [EVERY_OTHER, "--data.sampling=replacement"],
    "images are augmented": [EVERY_OTHER, "--data.augment.flip=random", "--data.augment.mixup=0.2"],
    "Lightning's own loop": [EVERY_OTHER, "--fast_loop=false"],
}


@pytest.mark.parametrize("name", rest_long(SETTINGS, ALWAYS))
def test_every_file_continues_to_the_same_end(small_cifar: Path, name: str):
    fit = [*RUN, *KEEP_ALL, *SETTINGS[name], f"--trainer.max_epochs={EPOCHS}", "--views.all=false"]
    run([*fit, "--trainer.default_root_dir=unbroken"])
    expected, files = left_by(Path("unbroken")), sorted(Path("unbroken").rglob("step=*.ckpt"))
    assert len(files) >= EPOCHS // 3
    for number, file in enumerate([*files, *Path("unbroken").rglob("best.ckpt")]):
        content = torch.load(file, weights_only=True)
        epochs = content["loops"]["fit_loop"]["epoch_progress"]["current"]
        if epochs["processed"] < EPOCHS:
            run([*fit, f"--trainer.default_root_dir={number}", f"--ckpt_path={file}"])
            found = left_by(Path(str(number)))
            kept = ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step")
            assert differences(*({part: one[part] for part in kept} for one in (found, expected))) == [], file
            assert missing_points(found["curves"], expected["curves"], content, "add up" in name) == [], file


def test_gradients_that_are_not_in_the_file_are_missed_aloud(small_cifar: Path):
    fit = [*RUN, *KEEP_ALL, *SETTINGS["batches add up"], "--trainer.max_epochs=1", "--views.all=false"]
    run([*fit, "--trainer.default_root_dir=unbroken"])
    (file, *_) = Path("unbroken").rglob("step=*.ckpt")
    content = torch.load(file, weights_only=True)
    del content["loops"]["fit_loop"]["epoch_loop.state_dict"]["gradients"]
    torch.save(content, "older.ckpt")
    with pytest.warns(UserWarning, match="between two steps of the optimizer"):
        run([*fit, "--trainer.default_root_dir=resumed", "--ckpt_path=older.ckpt"])


def missing_points(found: dict[str, Any], expected: dict[str, Any], saved: dict[str, Any], add_up: bool) -> list[str]:
    """Points of the unbroken run that a resumed one must have and has not, and points that it should not have.

    Where gradients add up, the points of the step that had begun may be of before.
    """
    epochs = saved["loops"]["fit_loop"]["epoch_progress"]["current"]
    whole, later = epochs["processed"] * STEPS, saved["global_step"] + add_up
    if add_up:
        whole = epochs["processed"] * -(-STEPS // 3)
    # the means of an epoch that is not over are still to come
    wanted = {tag: [point for point in points if point[0] >= (whole if tag == "train/loss" else later)]
              for tag, points in expected.items()}  # fmt: skip
    more = {tag: [point for point in points if point not in expected.get(tag, [])] for tag, points in found.items()}
    less = {tag: [point for point in points if point not in found.get(tag, [])] for tag, points in wanted.items()}
    return [f"{words} {tag}: {points}" for words, every in (("more", more), ("less", less))
            for tag, points in every.items() if points]  # fmt: skip
