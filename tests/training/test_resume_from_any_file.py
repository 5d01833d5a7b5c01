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
ALWAYS = ("validated every other epoch", "saved by an epoch's steps")
EPOCHS, STEPS = 4, 13  # of an epoch
SETTINGS = {
    "validated every other epoch": [EVERY_OTHER],
    "validated every third": ["--trainer.check_val_every_n_epoch=3"],
    "validated twice an epoch": ["--trainer.val_check_interval=0.5"],
    "validated by steps": ["--trainer.val_check_interval=5", BY_STEPS],
    "validated by an epoch's steps": ["--trainer.val_check_interval=13", BY_STEPS],
    "saved at epochs' ends": ["--trainer.callbacks.save_on_train_epoch_end=true", EVERY_OTHER],
    "saved by an epoch's steps": ["--trainer.callbacks.every_n_train_steps=13"],
    "saved by steps": ["--trainer.callbacks.every_n_train_steps=5"],
    "not validated": ["--trainer.limit_val_batches=0"],
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
            assert missing_points(found["curves"], expected["curves"], content) == [], file


def missing_points(found: dict[str, Any], expected: dict[str, Any], saved: dict[str, Any]) -> list[str]:
    """Points of the unbroken run that a resumed one must have and has not, and points that it should not have."""
    epochs = saved["loops"]["fit_loop"]["epoch_progress"]["current"]
    of_epochs = epochs["processed"] * STEPS  # the means of an epoch that is not over are still to come
    wanted = {
        tag: [point for point in points if point[0] >= (of_epochs if tag == "train/loss" else saved["global_step"])]
        for tag, points in expected.items()
    }
    more = {tag: [point for point in points if point not in expected.get(tag, [])] for tag, points in found.items()}
    less = {tag: [point for point in points if point not in found.get(tag, [])] for tag, points in wanted.items()}
    return [f"{words} {tag}: {points}" for words, every in (("more", more), ("less", less))
            for tag, points in every.items() if points]  # fmt: skip
