"""Views of an image at test time, and a schedule over the whole training."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import pad

from cifar_mlp.cli import run
from cifar_mlp.models.averaged_views import VIEWS, mean_probabilities, views

RUN = ["fit", "--data.source", "digits", "--data.batch_size", "100", "--model.hidden_sizes", "[16]"]
RUN += ["--trainer.precision", "32-true", "--trainer.max_epochs", "2", "--model.lr_scheduler", "OneCycleLR"]
RUN += ["--model.lr_scheduler.max_lr", "0.01", "--model.lr_scheduler.cycle_momentum", "false"]
RUN += ["--model.lr_scheduler.pct_start", "0.1", "--model.lr_interval", "step", "--model.test_time", "shifts"]


def test_the_views_are_the_image_mirrored_and_moved():
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    found = list(views(images, "shifts"))
    padded = pad(images.float(), (2, 2, 2, 2), mode="reflect").byte()
    mirrored = padded.flip(3)
    expected = [
        source[:, :, 2 + down : 10 + down, 2 + right : 10 + right]
        for down in (-2, 0, 2)
        for right in (-2, 0, 2)
        for source in (padded, mirrored)
    ]
    assert len(found) == len(expected) == VIEWS["shifts"]
    assert all(map(torch.equal, found, expected))
    assert all(map(torch.equal, views(images, "mirror"), (images, images.flip(3))))
    assert all(map(torch.equal, views(images, "none"), (images,)))


def test_probabilities_are_averaged_not_logits():
    images = torch.randint(0, 256, (4, 1, 6, 6), dtype=torch.uint8)

    def network(view: torch.Tensor) -> torch.Tensor:
        return view[:, 0, 0, :3].float() / 10

    expected = (network(images).softmax(1) + network(images.flip(3)).softmax(1)) / 2
    assert torch.allclose(mean_probabilities(network, images, "mirror"), expected)
    with pytest.raises(ValueError, match=r"--model.test_time mirror needs byte images"):
        mean_probabilities(network, torch.rand(4, 36), "mirror")


def test_test_reports_both_and_the_schedule_ends_with_the_training():
    command = run(RUN)
    schedule = command.trainer.lr_scheduler_configs[0].scheduler
    assert schedule.total_steps == command.trainer.global_step == 26
    assert command.model.hparams["lr_scheduler"]["init_args"]["total_steps"] == 26
    rates = command.trainer.optimizers[0].param_groups[0]["lr"]
    assert rates < 1e-4
    checkpoint = str(next(Path().rglob("last.ckpt")))
    tested = run(["test", "--ckpt_path", checkpoint])
    metrics = tested.trainer.callback_metrics
    images, labels = tested.datamodule._splits["test"].inputs, tested.datamodule._splits["test"].labels
    model = tested.model.eval()
    with torch.no_grad():
        averaged = mean_probabilities(model, images, "shifts").argmax(1)
        single = model(images).argmax(1)
    assert float(metrics["digits/test/accuracy_views18"]) == pytest.approx(float((averaged == labels).float().mean()))
    assert float(metrics["digits/test/accuracy"]) == pytest.approx(float((single == labels).float().mean()))
    longer = run(
        ["fit", "--ckpt_path", checkpoint, "--trainer.max_epochs", "3", "--model.lr_scheduler.total_steps", "39"]
    )
    assert longer.trainer.lr_scheduler_configs[0].scheduler.total_steps == 39


@pytest.mark.long
def test_resumed_within_the_schedule_a_run_ends_the_same():
    run([*RUN, "--trainer.default_root_dir", "unbroken"])
    run(
        [
            *RUN,
            "--trainer.default_root_dir",
            "first",
            "--model.lr_scheduler.total_steps",
            "26",
            "--trainer.max_steps",
            "9",
        ]
    )
    checkpoint = str(next(Path("first").rglob("last.ckpt")))
    again = ["--trainer.max_epochs", "2", "--trainer.max_steps", "-1", "--trainer.default_root_dir", "second"]
    run(["fit", "--ckpt_path", checkpoint, *again])
    expected, found = (torch.load(next(Path(name).rglob("last.ckpt")))["state_dict"] for name in ("unbroken", "second"))
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_schedule_over_an_endless_training_is_refused():
    with pytest.raises(ValueError, match=r"--model.lr_scheduler.total_steps is needed"):
        run([*RUN, "--trainer.max_epochs", "-1", "--trainer.max_time", "00:00:01:00"])
