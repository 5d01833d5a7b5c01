"""Bytes become features in one matmul, as the preprocessing makes them step by step."""

import pytest
import torch
from torch import Tensor

from cifar_mlp.data.augment.projection import BytesToFeatures, merged
from cifar_mlp.data.preprocessing import Preprocessing

SHAPE = (3, 9, 7)


@pytest.fixture
def images() -> Tensor:
    levels = torch.randint(0, 200, (300, *SHAPE))
    return (levels + 10 * torch.arange(7)).clamp(0, 255).byte()


def error(found: Tensor, expected: Tensor) -> float:
    """Of the whole, relative."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("scaling", ["symmetric", "mean_image", "standardize", "standardize_pixels"])
@pytest.mark.parametrize("whiten", [False, True])
def test_one_matmul_is_scaling_centring_projection_and_whitening(images: Tensor, scaling: str, whiten: bool):
    preprocessing = Preprocessing(SHAPE, scaling, 40, whiten, 0.01 if whiten else 0.0).fit(images)
    expected = preprocessing.double()(images)
    for dtype, most in ((torch.float32, 2e-6), (torch.bfloat16, 4e-3), (torch.float16, 5e-4)):
        found = BytesToFeatures(preprocessing.float(), dtype, torch.device("cpu"))(images)
        assert found.dtype == dtype
        assert error(found, expected) < most
        rounded_alone = error(expected.to(dtype), expected)
        assert error(found, expected) < 3 * rounded_alone + 1e-6, "little more than the features' own rounding"


def test_the_limit_catches_a_forgotten_step(images: Tensor):
    preprocessing = Preprocessing(SHAPE, "standardize", 40, True, 0.01).fit(images)
    weight_KD, bias_K = merged(preprocessing, torch.float32)
    pixels, expected = images.flatten(1).float(), preprocessing(images)
    assert error(pixels @ weight_KD.T + bias_K, expected) < 2e-6
    assert error(pixels @ weight_KD.T, expected) > 4e-3, "no centring"
    variance_K = preprocessing.pca.explained_variance
    assert error(expected * (variance_K + 0.01).sqrt(), expected) > 4e-3, "no whitening"
    assert error(expected.roll(1, 1), expected) > 4e-3, "components in another order"


def test_pixels_without_a_projection_are_scaled_alone(images: Tensor):
    preprocessing = Preprocessing(SHAPE, "standardize").fit(images)
    found = BytesToFeatures(preprocessing, torch.bfloat16, torch.device("cpu"))(images)
    assert torch.equal(found, preprocessing(images).bfloat16())
