"""Points taken within an epoch are written, however the epoch ends."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.views import Views
from cifar_mlp.cli import run

RUN = ["fit", "--data.batch_size", "20", "--data.n_components", "5", "--model.hidden_sizes", "[4]"]
RUN += ["--trainer.max_epochs", "1"]


@pytest.fixture(autouse=True)
def scalars_alone(no_views: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Views, "callbacks", lambda self: [TrainingScalars(every_n_steps=1)])


class Fails(Callback):
    """Raises after the eighth step; saves a checkpoint after the fifth if given a path."""

    def __init__(self, save_to: str | None = None) -> None:
        self.save_to = save_to

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.save_to is not None and trainer.global_step == 5:
            trainer.save_checkpoint(self.save_to)
        if trainer.global_step == 8:
            raise RuntimeError("out of luck")


def steps_written() -> list[int]:
    events = EventAccumulator(str(next(Path().rglob("events.out*")).parent)).Reload()
    assert {"train/batch_loss", "train/learning_rate", "train/weight_norm"} <= set(events.Tags()["scalars"])
    return [point.step for point in events.Scalars("train/gradient_norm")]


def test_an_error_loses_no_point(small_cifar: Path):
    with pytest.raises(RuntimeError, match="out of luck"):
        run([*RUN, "--trainer.callbacks+", f"{__name__}.Fails"])
    assert steps_written() == list(range(7))  # the failing callback comes before the one that takes points


def test_the_points_before_a_checkpoint_are_written_with_it(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(TrainingScalars, "on_exception", lambda *given: None)  # as if the process were killed
    with pytest.raises(RuntimeError, match="out of luck"):
        run([*RUN, "--trainer.callbacks+", f"{__name__}.Fails", "--trainer.callbacks.save_to", "saved.ckpt"])
    assert steps_written() == list(range(4))
