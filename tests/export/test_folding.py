"""Preprocessing and first layer as one affine map."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cifar_mlp import Classifier
from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.export.folding import fold
from cifar_mlp.export.images_to_probabilities import exportable

IMAGES = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["pixels", "whitened", "linear"])
def test_a_folded_network_on_pixels_is_the_network_on_features(trained: Callable[[str], Path], kind: str):
    model = Classifier.load_from_checkpoint(trained(kind)).eval()
    assert isinstance(model.preprocessing, Preprocessing)
    merged = fold(model.network, model.preprocessing).double()
    features = model.preprocessing.double()(IMAGES)
    expected = model.network.double()(features)
    # the merged weights are rounded to float32 once
    torch.testing.assert_close(merged(IMAGES.flatten(1).double()), expected, rtol=1e-5, atol=1e-5)
    assert merged.first.in_features == 64


@pytest.mark.parametrize("kind", ["pixels", "whitened"])
@pytest.mark.parametrize("folded", [False, True])
def test_the_module_gives_the_classifiers_probabilities(trained: Callable[[str], Path], kind: str, folded: bool):
    model = Classifier.load_from_checkpoint(trained(kind)).eval()
    module = exportable(model, folded)
    torch.testing.assert_close(module(IMAGES), torch.softmax(model(IMAGES), 1), rtol=1e-4, atol=1e-5)
    names = {name.split(".")[2] for name in module.state_dict()}
    assert names == {"network"} if folded else "scaling" in names


def test_a_network_that_knows_no_images_is_refused():
    with pytest.raises(ValueError, match="trained on features"):
        exportable(Classifier(in_features=4), folded=True)
