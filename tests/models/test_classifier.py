"""The classifier on anybody's data, and what it may be given."""

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models import Classifier


def dataset(*shape: int, count: int = 60, classes: int = 3) -> TensorDataset:
    """Inputs whose mean tells the class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    inputs = torch.rand(count, *shape, generator=generator) + labels.view(-1, *[1] * len(shape))
    return TensorDataset(inputs, labels)


class OwnData(LightningDataModule):
    """A data module that knows nothing of this package."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.images = dataset(*shape)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.images, batch_size=20, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.images, batch_size=30)

    test_dataloader = predict_dataloader = val_dataloader


@pytest.fixture
def trainer() -> Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", max_epochs=2, enable_model_summary=False, **quiet)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")
@pytest.mark.parametrize("gradients", ["autograd", "hand"])
@pytest.mark.parametrize("shape", [(7,), (1, 4, 5)], ids=str)
def test_it_trains_on_anybody_s_data_module(trainer: Trainer, shape: tuple[int, ...], gradients: str):
    data, model = OwnData(*shape), Classifier(num_classes=3, hidden_sizes=[16], gradients=gradients)
    trainer.fit(model, data)
    assert model.settings["in_features"] == model.hparams["in_features"] == np.prod(shape)
    (metrics,) = trainer.test(model, data, verbose=False)
    assert {"test/accuracy", "test/loss"} <= metrics.keys()
    (first, _) = trainer.predict(model, data)
    assert first.shape == (30, 3)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")
def test_it_trains_on_plain_loaders_and_its_checkpoint_loads(trainer: Trainer, tmp_path):
    data, model = OwnData(7), Classifier(num_classes=3, hidden_sizes=[16])
    trainer.fit(model, data.train_dataloader(), data.val_dataloader())
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    loaded = Classifier.load_from_checkpoint(tmp_path / "own.ckpt", weights_only=True).eval()
    inputs = data.images.tensors[0]
    assert torch.equal(loaded(inputs), model.eval()(inputs))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*number of training batches")
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec")
@pytest.mark.parametrize(
    ("inputs", "labels", "expected"),
    [
        (torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), "byte images"),
        (torch.zeros(4, 5), torch.full((4,), 3), "label 3 with num_classes 3"),
        (torch.zeros(4, 5), torch.zeros(4, 3), "class numbers"),
    ],
)
def test_data_that_it_cannot_learn_from_is_one_sentence(
    trainer: Trainer, inputs: Tensor, labels: Tensor, expected: str
):
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=2)
    with pytest.raises(ValueError, match=expected):
        trainer.fit(Classifier(num_classes=3), loader, loader)


@pytest.fixture
def on_bytes() -> Classifier:
    """A network on 6 components of images of 3 x 4 x 5 bytes."""
    images = torch.randint(0, 256, (50, 3, 4, 5), dtype=torch.uint8)
    model = Classifier(6, hidden_sizes=[8]).eval()
    model.preprocessing = Preprocessing((3, 4, 5), n_components=6).fit(images)
    return model


def test_layouts_that_can_be_told_get_the_same_answer(on_bytes: Classifier):
    images = torch.randint(0, 256, (9, 3, 4, 5), dtype=torch.uint8)
    expected = on_bytes(images)
    assert torch.equal(on_bytes(images.permute(0, 2, 3, 1)), expected)
    assert torch.equal(on_bytes(images.numpy()), expected)
    assert torch.equal(on_bytes(on_bytes.preprocessing(images)), expected)
    for layout in (images[2], images[2].permute(1, 2, 0)):
        assert torch.allclose(on_bytes(layout), expected[2:3], atol=1e-6)


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(2, 3, 4, 5),
        torch.zeros(2, 7),
        torch.zeros(6),
        torch.zeros(2, 3, 5, 4, dtype=torch.uint8),
        torch.zeros(2, 60, dtype=torch.uint8),
        torch.zeros(2, 6, dtype=torch.int64),
    ],
    ids=lambda inputs: f"{inputs.dtype} {tuple(inputs.shape)}",
)
def test_other_inputs_get_a_sentence_with_the_expected_shape(on_bytes: Classifier, inputs: Tensor):
    with pytest.raises(ValueError, match=r"expected|inputs must be"):
        on_bytes(inputs)
