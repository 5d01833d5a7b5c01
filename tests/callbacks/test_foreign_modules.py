"""The views in a module and trainer that share nothing with this package: each draws, or says once why not."""

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from cifar_mlp import callbacks
from cifar_mlp.callbacks import Views
from cifar_mlp.callbacks.probe import evaluating
from cifar_mlp.callbacks.view import BoardCallback
from cifar_mlp.data.loader import Batch
from cifar_mlp.models import Classifier

STEP_SIZE = 0.25
EVERY = {name: 1 for name, value in vars(Views()).items() if name.endswith("epochs")}
ALL = {type(view).__name__ for view in Views().callbacks()}
PICTURES = {"first_layer_weights", "reliability", "most_confident_errors", "class_averages", "ten_images"}
# What a module without our attributes cannot have.
OURS = {
    "Components": "the module has no preprocessing with a PCA",
    "ClassAccuracy": "the module has no val_confusion, a torchmetrics MulticlassConfusionMatrix",
    "ConfusionMatrix": "the module has no val_confusion, a torchmetrics MulticlassConfusionMatrix",
    "ResultInWords": "the module has no test_confusion, a torchmetrics MulticlassConfusionMatrix",
}


class Foreign(LightningModule):
    """Takes any inputs, bytes too; has no metrics' names, no preprocessing, no settings."""

    def __init__(self, body: nn.Module | None = None, biased: bool = True) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="body")
        self.body = body or nn.Sequential(nn.Flatten(), nn.Linear(48, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs / 255 if inputs.dtype == torch.uint8 else inputs
        return self.body(inputs)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        inputs, labels = batch.values() if isinstance(batch, dict) else batch
        loss = cross_entropy(self(inputs), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=8)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        inputs, labels = batch.values() if isinstance(batch, dict) else batch
        logits = self(inputs)
        self.log_dict({"val/accuracy": (logits.argmax(1) == labels).float().mean(), "val_loss": 0.0}, batch_size=8)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test/accuracy", 0.5, batch_size=8)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=STEP_SIZE)


class Pair(NamedTuple):
    pixels: Tensor
    target: Tensor


def loader(inputs: Tensor, kind: type = tuple) -> DataLoader[Any]:
    labels = torch.arange(len(inputs)) % 4

    def collate(samples: list[int]) -> Any:
        if kind is dict:
            return {"inputs": inputs[samples], "labels": labels[samples]}
        if kind in (Pair, Batch):
            return kind(inputs[samples], labels[samples], *[torch.tensor(samples)] * (kind is Batch))
        return kind((inputs[samples], labels[samples]))

    return DataLoader(range(len(inputs)), batch_size=8, shuffle=True, collate_fn=collate)  # type: ignore[arg-type]


def images() -> Tensor:
    return torch.rand(40, 3, 4, 4)


def fit(
    module: LightningModule, data: Any, logger: Logger | bool | list[Logger], *added: Callback,
    val: Any = None, views: Views | None = None, **options: Any,
) -> tuple[Trainer, dict[str, str]]:  # fmt: skip
    """Train for two epochs with every view; returns the reason of each view that did not draw."""
    views = views or Views(scalars_every_n_steps=2, projector_images=20, **EVERY)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = Trainer(
            accelerator="cpu", max_epochs=2, logger=logger, callbacks=[*views.callbacks(), *added],
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, **options,
        )  # fmt: skip
        given = (data,) if isinstance(data, LightningDataModule) else (data, data if val is None else val)
        trainer.fit(module, *given)
        trainer.test(module, *given[:1], verbose=False)
    said = [re.fullmatch(r"(\w+): not drawn, (.*)", str(warning.message)) for warning in caught]
    names = [match.group(1) for match in said if match]
    assert len(names) == len(set(names)), "a view says something twice"
    return trainer, {match.group(1): match.group(2) for match in said if match}


def tensorboard() -> TensorBoardLogger:
    return TensorBoardLogger(".", "other", default_hp_metric=False)


def events_of(trainer: Trainer) -> EventAccumulator:
    folders = [logger.log_dir for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    guide = {"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
    return EventAccumulator(folders[0], size_guidance=guide).Reload()


def pictures() -> set[str]:
    return {path.stem for path in Path().rglob("pictures/*.png")}


class Weights(Callback):
    """Keeps all weights in one vector, before the first step and after each."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.seen.append(nn.utils.parameters_to_vector(pl_module.parameters()).detach().double())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.on_train_batch_start(trainer, pl_module, None, 0)


def test_every_view_can_be_imported_and_is_an_option(views: None):
    public = {name for name in callbacks.__all__ if issubclass(getattr(callbacks, name), BoardCallback)}
    assert public - {"View"} == ALL


def test_views_draw_what_the_module_has(views: None):
    module, weights, inputs = Foreign(), Weights(), images()
    with torch.no_grad():
        module.body[1].bias.copy_(torch.tensor([-1e3, -1e3, 9, 9, 9, 9]))  # two units that no image activates
    trainer, reasons = fit(module, loader(inputs), tensorboard(), weights)
    assert reasons == OURS
    assert pictures() == PICTURES
    events = events_of(trainer)
    tags = events.Tags()
    assert tags["graph"]
    for tag in ("views/first_layer_weights", "views/reliability"):
        assert [point.step for point in events.Images(tag)] == [4, 9]  # each epoch once, the end not again
    assert [point.step for point in events.Images("views/ten_images")] == [0, 4, 9]
    assert [point.step for point in events.Histograms("within/gradients/body.1.weight")] == [4, 9]
    dead = (module.body[:3](inputs) == 0).all(0).double().mean()
    assert [point.value for point in events.Scalars("within/dead_units/body.2")][-1] == pytest.approx(float(dead))
    assert 2 / 6 <= dead < 1
    assert {"within/hp/val_accuracy", "within/images_per_second"} <= set(tags["scalars"])
    assert len([tag for tag in tags["tensors"] if tag.startswith("val_precision_recall/")]) == 4
    assert "custom_scalars__config__" in tags["tensors"]
    settings = yaml.safe_load((Path(trainer.log_dir) / "hparams.yaml").read_text())
    assert (settings["model.biased"], settings["optimizer"], settings["optimizer.lr"]) == (
        "True",
        f"SGD, lr {STEP_SIZE}",
        STEP_SIZE,
    )
    assert len(list(Path().rglob("projector/*.tsv"))) == 4  # classes, inputs, a hidden layer, logits

    # plain gradient descent: a step is the gradient times its size
    norms = {point.step: point.value for point in events.Scalars("within/gradient_norm")}
    assert list(norms) == [0, 2, 4, 6, 8, 9]
    for step, norm in norms.items():
        moved = (weights.seen[step + 1] - weights.seen[step]).norm() / STEP_SIZE
        assert norm == pytest.approx(float(moved), rel=1e-3)
    for point in events.Scalars("within/weight_norm"):
        assert point.value == pytest.approx(float(weights.seen[point.step + 1].norm()), rel=1e-5)
    best = max(point.value for point in events.Scalars("val/accuracy"))
    assert [point.value for point in events.Scalars("within/hp/val_accuracy")] == pytest.approx([best])


def test_views_do_not_change_the_training(views: None):
    """Dropout and the loaders' shuffling draw from the global generator, as the validation loader does."""
    seen = []
    for shown in (Views(**EVERY), Views(all=False)):
        torch.manual_seed(3)
        weights = Weights()
        fit(Foreign(), loader(images()), tensorboard(), weights, views=shown)
        seen.append(weights.seen[-1])
    assert torch.equal(*seen)


class Data(LightningDataModule):
    """Standardizes on the device, which a view must do too."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__()
        self.inputs = inputs

    def train_dataloader(self) -> Any:
        return loader(self.inputs, list)

    def val_dataloader(self) -> Any:
        return [loader(self.inputs, list)]

    test_dataloader = train_dataloader

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return [(batch[0] - 0.5) / 0.25, batch[1]]


OF_IMAGES = ("FirstLayerWeights", "ConfidentErrors", "TenImages")
FEATURES = "the validation inputs are (N, 48), not images (N, 1 or 3, height, width)"


@pytest.mark.parametrize(
    ("kind", "inputs", "reasons", "options"),
    [
        (list, lambda: torch.randint(0, 256, (40, 3, 4, 4), dtype=torch.uint8), {}, {}),
        (Pair, lambda: 9 * torch.randn(40, 3, 4, 4), {}, {"precision": "64-true"}),
        (
            tuple,
            lambda: torch.rand(40, 48),
            dict.fromkeys(OF_IMAGES, FEATURES),
            {},
        ),
    ],
    ids=["bytes in a list", "standardized in a NamedTuple", "features"],
)
def test_any_batch_of_inputs_and_labels_is_drawn(
    kind: type, inputs: Any, reasons: dict[str, str], options: dict[str, Any], views: None
):
    trainer, said = fit(Foreign(), loader(inputs(), kind), tensorboard(), **options)
    assert said == OURS | reasons
    assert pictures() == (PICTURES if not reasons else {"reliability"})
    assert (Path(trainer.log_dir) / "projector" / "thumbnails.png").exists() == (not reasons)


def test_views_see_what_the_validation_step_sees(views: None):
    module, data = Foreign(), Data(images())
    trainer, said = fit(module, data, tensorboard())
    assert said == OURS
    (point,) = events_of(trainer).Histograms("within/activations/body.2")[2:]  # before training, after each epoch
    with torch.no_grad():
        expected = module.body[:3]((data.inputs - 0.5) / 0.25)
    assert point.histogram_value.sum == pytest.approx(float(expected.sum()), rel=1e-4)


def probes(reason: str) -> dict[str, str]:
    """What every view that looks at validation inputs says."""
    names = ("FirstLayerWeights", "Reliability", "Activations", "PrecisionRecall", "Projector", "ConfidentErrors")
    names += ("TenImages",)
    return dict.fromkeys([*names, "Graph"], reason)


def test_other_batches_are_reported(views: None):
    reason = "a validation batch is no (inputs, labels), but a dict"
    assert fit(Foreign(), loader(images(), dict), tensorboard())[1] == OURS | probes(reason)


def test_missing_validation_is_reported(views: None):
    said = fit(Foreign(), loader(images()), tensorboard(), val=[], limit_val_batches=0)[1]
    expected = OURS | probes("there is no validation loader")
    expected["CurveLayout"] = "no metric is logged both for train and for val, as train/loss and val/loss"
    expected["Hyperparameters"] = "no metric val/accuracy was logged for hp/val_accuracy"
    assert said == expected


class Bare(LightningModule):
    """No layer, no activation function, no parameter, no optimizer, and targets that are no classes."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :4]

    def training_step(self, batch: Any, batch_idx: int) -> None:
        return None

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Logs nothing."""

    test_step = validation_step

    def configure_optimizers(self) -> None:
        return None

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return [batch[0], batch[1].float()]


def test_everything_that_a_bare_module_lacks_is_reported(views: None):
    targets = "the targets are torch.float32 of shape (40,), not classes (N,)"
    assert fit(Bare(), loader(images()), tensorboard())[1] == OURS | {
        "FirstLayerWeights": "the module has no nn.Linear",
        "Activations": "the module has no activation functions that are modules, such as nn.ReLU",
        "Histograms": "the module has no parameters",
        "TrainingScalars": "there is no optimizer, so no learning rate",
        "CurveLayout": "no metric is logged both for train and for val, as train/loss and val/loss",
        "Hyperparameters": "no metric val/accuracy was logged for hp/val_accuracy",
        "Reliability": targets,
        "TenImages": targets,
        "ConfidentErrors": targets,
        "PrecisionRecall": targets,
        "Projector": targets.replace("40", "20"),
    }


def test_a_first_linear_map_that_takes_no_pixels_is_reported(views: None):
    body = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    said = fit(Foreign(body), loader(images()), tensorboard())[1]
    assert said == OURS | {"FirstLayerWeights": "the first nn.Linear takes 32 inputs, not 48 pixels"}


def test_an_error_becomes_one_warning(views: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(callbacks.FirstLayerWeights, "show", lambda *_: 1 / 0)
    monkeypatch.setattr(SummaryWriter, "add_graph", lambda *_: 1 / 0)
    error = "ZeroDivisionError: division by zero"
    assert fit(Foreign(), loader(images()), tensorboard())[1] == OURS | {"FirstLayerWeights": error, "Graph": error}


def test_another_logger_gets_pictures_and_curves(views: None):
    trainer, said = fit(Foreign(), loader(images()), CSVLogger("."), log_every_n_steps=1)
    needed = "it needs a TensorBoardLogger, not a CSVLogger"
    others = ("Histograms", "Activations", "PrecisionRecall", "Projector", "Graph", "CurveLayout", "RunText")
    assert said == OURS | dict.fromkeys(others, needed)
    assert "model.network: Foreign" in (Path(trainer.log_dir) / "hparams.yaml").read_text()
    assert pictures() == PICTURES
    columns = (Path(trainer.log_dir) / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"within/gradient_norm", "within/images_per_second", "within/dead_units/body.2"} <= set(columns)


def test_of_several_loggers_tensorboard_is_drawn_to(views: None):
    trainer, said = fit(Foreign(), loader(images()), [CSVLogger("."), tensorboard()])
    assert said == OURS
    assert "within/gradient_norm" in events_of(trainer).Tags()["scalars"]


def test_without_a_logger_every_view_says_so(views: None):
    said = fit(Foreign(), loader(images()), False)[1]
    assert said == dict.fromkeys(ALL, "the trainer has no logger")
    assert pictures() == set()


def test_our_own_module_is_silent_about_what_its_settings_leave_out(views: None):
    """No PCA, no hidden layer, no data module of ours."""
    said = fit(Classifier(48, 4, hidden_sizes=[]), loader(torch.rand(40, 48), Batch), tensorboard())[1]
    assert said == dict.fromkeys(OF_IMAGES, FEATURES)


def test_evaluating_restores_each_part_s_mode():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3), nn.Linear(3, 2))
    network[1].eval()
    before = [part.training for part in network]
    with evaluating(network):
        assert not any(part.training for part in network)
        assert not torch.is_grad_enabled()
    assert [part.training for part in network] == before == [True, False, True]
    assert network.training
