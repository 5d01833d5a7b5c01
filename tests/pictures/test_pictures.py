"""The numbers behind the pictures, computed a second way; and every picture drawn."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torchmetrics.functional.classification import multiclass_calibration_error

from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.pictures.comparison import compared_classes, compared_curves
from cifar_mlp.pictures.components import (
    coefficients,
    eigen_images,
    explained_shares,
    explained_variance,
    reconstruct,
    reconstructions,
)
from cifar_mlp.pictures.confusion import confusion_matrix
from cifar_mlp.pictures.galleries import class_averages, error_gallery, most_confident_errors
from cifar_mlp.pictures.predictions import Predictions, predict
from cifar_mlp.pictures.reliability import calibration, reliability_diagram
from cifar_mlp.pictures.style import DPI, pixels
from cifar_mlp.pictures.tiles import Caption, about_grey, as_rgb, gallery
from cifar_mlp.pictures.weight_images import first_layer_weights, pixel_gradients

NAMES = ("airplane", "automobile", "sweet pepper")


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (60, 3, 4, 5), dtype=torch.uint8)


@pytest.fixture
def predictions(images: torch.Tensor) -> Predictions:
    labels = torch.arange(60) % 3
    return Predictions(images, labels, torch.softmax(2 * torch.randn(60, 3), 1))


def fitted(images: torch.Tensor, **settings: object) -> Preprocessing:
    return Preprocessing((3, 4, 5), **settings).fit(images, "sklearn")  # type: ignore[arg-type]


SETTINGS = [
    {"scaling": "symmetric"},
    {"scaling": "standardize", "n_components": 7},
    {"scaling": "mean_image", "n_components": 9, "whiten": True, "whiten_epsilon": 3.0},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_pixel_gradients_are_what_a_pixel_changes(images: torch.Tensor, settings: dict[str, object]):
    preprocessing = fitted(images, **settings)
    weight = torch.randn(6, preprocessing.num_features)
    step = 16
    brighter = images.clamp(max=255 - step)
    moved = brighter.clone()
    moved[:, 1, 2, 3] += step
    rise = (preprocessing(moved) - preprocessing(brighter)) @ weight.T / step
    found = pixel_gradients(weight, preprocessing)[:, 1, 2, 3]
    torch.testing.assert_close(rise, found.expand(60, 6), rtol=2e-3, atol=1e-4)


def test_explained_shares_add_up_to_what_reconstruction_keeps(images: torch.Tensor):
    for settings in SETTINGS[1:]:
        preprocessing = fitted(images, **settings)
        shares = explained_shares(preprocessing, images)
        scaled = (images.flatten(1).double() - preprocessing.shift) * preprocessing.scale
        features = preprocessing(images)
        back = (preprocessing.inverse(features).flatten(1).double() - preprocessing.shift) * preprocessing.scale
        lost = (scaled - back).square().sum() / (scaled - preprocessing.pca.mean).square().sum()
        assert float(shares.sum()) == pytest.approx(1 - float(lost), abs=1e-5)
        # on the images that were fitted on, a coefficient's variance is the component's
        torch.testing.assert_close(
            coefficients(preprocessing, images).var(0), preprocessing.pca.explained_variance, rtol=1e-3, atol=1e-4
        )


def test_all_components_give_the_image_back(images: torch.Tensor):
    preprocessing = fitted(images, n_components=60 - 1, whiten=True)  # 60 images span 59 dimensions
    assert (reconstruct(preprocessing, images, 59).int() - images.int()).abs().max() <= 1
    few = reconstruct(preprocessing, images, 3)
    assert (few.int() - images.int()).abs().max() > 20


def test_calibration_is_torchmetrics(predictions: Predictions):
    expected = multiclass_calibration_error(predictions.probabilities, predictions.labels, 3, n_bins=15)
    measured = calibration(predictions)
    assert measured.error == pytest.approx(float(expected), abs=1e-6)
    assert int(measured.count.sum()) == 60


def test_errors_come_by_falling_confidence(predictions: Predictions):
    indices = most_confident_errors(predictions, 5)
    wrong = [
        (float(p.max()), index)
        for index, (p, label) in enumerate(zip(predictions.probabilities, predictions.labels, strict=True))
        if int(p.argmax()) != int(label)
    ]
    assert indices.tolist() == [index for _, index in sorted(wrong, reverse=True)[:5]]


def test_predictions_do_not_depend_on_the_batch_size(images: torch.Tensor):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(60, 3))
    labels = torch.zeros(60)
    at_once, batched = (predict(network, images.float(), labels, batch_size=n).probabilities for n in (60, 7))
    torch.testing.assert_close(at_once, batched)
    torch.testing.assert_close(at_once.sum(1), torch.ones(60))
    assert not predict(lambda part: torch.full((len(part), 3), torch.nan), images, labels).probabilities.any()


def test_floats_beyond_zero_and_one_are_rescaled():
    levels = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3)
    assert as_rgb(levels)[0, 0, :, 2].tolist() == as_rgb(6 * levels - 3)[0, 0, :, 2].tolist() == [0, 128, 255]


def test_each_tile_has_its_own_pixels():
    images = torch.randint(0, 200, (5, 1, 64, 64), dtype=torch.uint8)
    figure = gallery(images, 3, "five tiles", [Caption(str(index)) for index in range(5)], tile=1.0)
    sheet = figure.axes[0].images[0].get_array()
    rgb = as_rgb(images)
    assert (sheet[:64, :64] == rgb[0]).all()
    assert (sheet[-64 - 13 : -13, :64] != 255).any()
    left = sheet.shape[1] - 64
    assert (sheet[:64, left:] == rgb[2]).all()


def test_signed_images_are_grey_where_zero():
    signed = torch.tensor([[-2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]).reshape(2, 1, 1, 3)
    assert about_grey(signed).flatten().tolist() == [0.0, 0.5, 0.75, 0.5, 0.5, 0.5]


def test_a_picture_of_some_of_many_classes_says_so(predictions: Predictions):
    names = [str(label) for label in range(100)]
    assert class_averages(predictions, names, "Validation").texts[0].get_text().endswith("the first 20 of 100 classes")
    assert "first" not in class_averages(predictions, NAMES, "Validation").texts[0].get_text()
    weights = first_layer_weights(torch.randn(100, 1, 2, 2), names).texts[0].get_text()
    assert weights.endswith("first 64 of 100 units")


def every_figure(images: torch.Tensor, predictions: Predictions) -> dict[str, Figure]:
    preprocessing = fitted(images, n_components=20)
    weight = torch.randn(3, 20)
    counts = torch.bincount(predictions.labels * 3 + predictions.predicted, minlength=9).view(3, 3)
    right = predictions._replace(probabilities=torch.nn.functional.one_hot(predictions.labels, 3).float())
    nothing = predictions._replace(probabilities=torch.zeros(60, 3))
    curves = {"train/loss": ([1, 2], [2.0, 1.0]), "val/loss": ([2], [1.5])}
    return {
        "units": first_layer_weights(pixel_gradients(weight, preprocessing), when=", after 3 steps"),
        "named units": first_layer_weights(pixel_gradients(weight, preprocessing), NAMES),
        "diverged": first_layer_weights(torch.full((2, 1, 8, 8), torch.nan)),
        "eigen": eigen_images(preprocessing),
        "variance": explained_variance(preprocessing, images),
        "reconstructions": reconstructions(preprocessing, images, predictions.labels, NAMES),
        "confusion": confusion_matrix(counts, NAMES, "Validation"),
        "crowd": confusion_matrix(torch.eye(100), [f"aquarium_fish {n}" for n in range(100)], "Test"),
        "reliability": reliability_diagram(predictions, "Validation after 10,000 steps"),
        "no probabilities": reliability_diagram(nothing, "Validation"),
        "errors": error_gallery(predictions, NAMES, "Validation"),
        "one error": error_gallery(predictions, NAMES, "Validation", most=1),
        "no errors": error_gallery(right, NAMES, "Validation"),
        "averages": class_averages(predictions, NAMES, "Validation"),
        "curves": compared_curves([("q4_best/version_0", curves), ("other/version_1", {})]),
        "classes": compared_classes([("q4_best/version_0", dict.fromkeys(NAMES, 0.5)), ("b", dict.fromkeys(NAMES, 1))]),
    }


def test_every_picture_is_drawn_on_white_and_nothing_is_cut(images: torch.Tensor, predictions: Predictions):
    for name, figure in every_figure(images, predictions).items():
        drawn = pixels(figure)
        assert drawn.dtype == np.uint8
        assert drawn.shape[0] == pytest.approx(figure.get_figheight() * DPI, abs=1), name
        edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
        assert (edge == 255).all(), f"{name}: something touches the edge"
        assert (drawn < 128).any(), f"{name}: nothing is drawn"
        figure.clear()


def test_a_comparison_is_of_two_runs_not_three():
    runs = [("a", {}), ("b", {}), ("c", {})]
    with pytest.raises(ValueError, match="shorter than argument 1"):
        compared_curves(runs)
    with pytest.raises(ValueError, match="too many values"):
        compared_classes(runs)
