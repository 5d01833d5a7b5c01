"""The views in somebody else's module and trainer, which know nothing of this package."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from cifar_mlp.callbacks.probe import evaluating
from cifar_mlp.callbacks.views import Views

STEP_SIZE = 0.25


class Foreign(LightningModule):
    """Float images in, no metrics' names, no preprocessing, no settings."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 4))
        with torch.no_grad():
            self.body[1].bias.copy_(torch.tensor([-1e3, -1e3, 9, 9, 9, 9]))  # two units that no image wakes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/accuracy", (self(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=STEP_SIZE)


class Weights(Callback):
    """Keeps all weights in one vector, before the first step and after each."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(nn.utils.parameters_to_vector(pl_module.parameters()).detach().double())


@pytest.fixture
def trained(views: None) -> tuple[EventAccumulator, Weights, Foreign]:
    images, labels = torch.rand(40, 3, 4, 4), torch.randint(0, 4, (40,))
    loader = DataLoader(TensorDataset(images, labels), batch_size=8)
    weights, module = Weights(), Foreign()
    often = {name: 1 for name, value in vars(Views()).items() if name.endswith("epochs")}
    views = Views(scalars_every_n_steps=2, projector_images=20, **often).callbacks()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*does not have many workers")
        warnings.filterwarnings("ignore", message=r"(?s).*smaller than the logging interval")
        warnings.filterwarnings("ignore", message=r"(?s).*LeafSpec")
        trainer = Trainer(
            accelerator="cpu", max_epochs=2, logger=TensorBoardLogger(".", "other", default_hp_metric=False),
            callbacks=[*views, weights], enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(module, loader, loader)
    weights.on_train_batch_start(trainer, module, None, 0)
    guide = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
    return EventAccumulator(str(trainer.log_dir), size_guidance=guide).Reload(), weights, module


def test_every_view_that_can_be_shown_is(trained: tuple[EventAccumulator, Weights, Foreign]):
    events, weights, _ = trained
    tags = events.Tags()
    shown = {Path(tag).name for tag in tags["images"]}
    assert shown == {"first_layer_weights", "reliability", "mistakes", "class_averages"}
    for tag in ("pictures/first_layer_weights", "pictures/reliability"):
        assert [point.step for point in events.Images(tag)] == [4, 9]  # each epoch once, the end not again
    assert [point.step for point in events.Histograms("gradients/body.1.weight")] == [4, 9]
    assert [point.value for point in events.Scalars("dead_units/body.2")] == pytest.approx([2 / 6, 2 / 6])
    assert {"hp/val_accuracy", "train/images_per_second"} <= set(tags["scalars"])
    assert len([tag for tag in tags["tensors"] if tag.startswith("val_precision_recall/")]) == 4

    # plain gradient descent: a step is the gradient times its size
    norms = {point.step: point.value for point in events.Scalars("train/gradient_norm")}
    assert list(norms) == [0, 2, 4, 6, 8, 9]
    for step, norm in norms.items():
        moved = (weights.seen[step + 1] - weights.seen[step]).norm() / STEP_SIZE
        assert norm == pytest.approx(float(moved), rel=1e-3)
    for point in events.Scalars("train/weight_norm"):
        assert point.value == pytest.approx(float(weights.seen[point.step + 1].norm()), rel=1e-5)
    best = max(point.value for point in events.Scalars("val/accuracy"))
    assert [point.value for point in events.Scalars("hp/val_accuracy")] == pytest.approx([best])


def test_a_look_leaves_each_part_in_its_mode():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    network[1].eval()
    before = [part.training for part in network]
    with evaluating(network):
        assert not any(part.training for part in network)
        assert not torch.is_grad_enabled()
    assert [part.training for part in network] == before == [True, False, True]
    assert network.training
