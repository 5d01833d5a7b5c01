"""Points taken within an epoch are written, however the epoch ends."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from lightning.pytorch import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from cifar_mlp.callbacks.training_scalars import TrainingScalars
from cifar_mlp.callbacks.update_ratios import UpdateRatios
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
    assert {"train/batch_loss", "within/learning_rate", "within/weight_norm"} <= set(events.Tags()["scalars"])
    return [point.step for point in events.Scalars("within/gradient_norm")]


def test_an_error_loses_no_point(small_cifar: Path):
    with pytest.raises(RuntimeError, match="out of luck"):
        run([*RUN, "--trainer.callbacks+", f"{__name__}.Fails"])
    assert steps_written() == list(range(7))  # the failing callback comes before the one that takes points


def test_the_points_before_a_checkpoint_are_written_with_it(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(TrainingScalars, "on_exception", lambda *given: None)  # as if the process were killed
    with pytest.raises(RuntimeError, match="out of luck"):
        run([*RUN, "--trainer.callbacks+", f"{__name__}.Fails", "--trainer.callbacks.save_to", "saved.ckpt"])
    assert steps_written() == list(range(4))


@pytest.mark.parametrize("saved", [True, False])
def test_update_ratios_lose_no_point_either(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, saved: bool):
    monkeypatch.setattr(Views, "callbacks", lambda self: [UpdateRatios(1)])
    if saved:
        monkeypatch.setattr(UpdateRatios, "on_exception", lambda *given: None)
    failing = ["--trainer.callbacks+", f"{__name__}.Fails"]
    failing += ["--trainer.callbacks.save_to", "saved.ckpt"] if saved else []
    with pytest.raises(RuntimeError, match="out of luck"):
        run([*RUN, *failing])
    events = EventAccumulator(str(next(Path().rglob("events.out*")).parent)).Reload()
    points = events.Scalars("within/update_ratio/hidden.0.affine.weight")
    assert [point.step for point in points] == list(range(4 if saved else 7))


class FirstWeights(Callback):
    """Keeps the first layer's weights before each step and at the end."""

    seen: ClassVar[list[Tensor]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(pl_module.network.first.weight.detach().clone())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.on_train_batch_start(trainer, pl_module, None, 0)


@pytest.mark.parametrize("every", [1, 4])
def test_update_ratios_are_those_of_the_steps(small_cifar: Path, monkeypatch: pytest.MonkeyPatch, every: int):
    monkeypatch.setattr(Views, "callbacks", lambda self: [UpdateRatios(every)])
    FirstWeights.seen.clear()
    run([*RUN, "--trainer.callbacks+", f"{__name__}.FirstWeights"])
    events = EventAccumulator(str(next(Path().rglob("events.out*")).parent)).Reload()
    points = events.Scalars("within/update_ratio/hidden.0.affine.weight")
    steps = list(range(0, len(FirstWeights.seen) - 1, every))
    assert [point.step for point in points] == steps
    expected = [(FirstWeights.seen[step + 1] - FirstWeights.seen[step]).norm() for step in steps]
    sizes = [FirstWeights.seen[step].norm() for step in steps]
    assert [point.value for point in points] == pytest.approx(
        [float(moved / size) for moved, size in zip(expected, sizes, strict=True)], rel=1e-5
    )
