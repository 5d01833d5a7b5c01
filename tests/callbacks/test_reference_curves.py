"""The gap between training and validation is of one epoch, never of two."""

import pytest

from cifar_mlp.cli import run
from tests.training.killed import curves

FIT = ["fit", "--data.source", "digits", "--model.hidden_sizes", "[8]", "--data.batch_size", "200"]
FIT += ["--views.all", "true", "--views.projector_images", "0", "--trainer.enable_checkpointing", "false"]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (["--trainer.max_epochs", "2"], [6, 13]),
        (["--trainer.max_epochs", "2", "--trainer.check_val_every_n_epoch", "2"], [13]),
        (["--trainer.max_epochs", "3", "--trainer.max_steps", "9"], [6]),
        # stops at the second epoch's first validation, in its middle
        ([
            "--trainer.max_epochs", "3", "--trainer.val_check_interval", "3", "--trainer.callbacks+=EarlyStopping",
            "--trainer.callbacks.monitor", "val/loss", "--trainer.callbacks.patience", "2",
            "--trainer.callbacks.min_delta", "99",
        ], [6]),
    ],
)  # fmt: skip
def test_an_epoch_without_figures_of_its_own_has_no_gap(views: None, options: list[str], steps: list[int]):
    command = run([*FIT, *options])
    found = curves(command.trainer.log_dir)
    for name in ("train_val_gap/loss", "val_reference/chance"):
        assert [step for step, _ in found[f"digits/{name}"]] == steps
