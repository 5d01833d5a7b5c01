"""Statistics and components of images with their mirror images."""

import pytest
import torch

from cifar_mlp.data import pca_fit
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.preprocessing import Preprocessing


def mirror_of(channels: int, height: int, width: int) -> torch.Tensor:
    return torch.arange(channels * height * width).view(channels, height, width).flip(2).flatten()


@pytest.mark.parametrize("width", [1, 5, 6])  # 5 has a middle column, 1 has nothing else
def test_the_fit_is_that_of_both_sets_together(width: int):
    images = torch.randint(0, 256, (60, 2, 4, width), dtype=torch.uint8)
    both = torch.cat([images, images.flip(3)]).flatten(1)
    shift, scale = torch.full((both.shape[1],), 100.0).double(), torch.full((both.shape[1],), 0.02).double()
    mirror = mirror_of(2, 4, width)
    expected = pca_fit.fit(both, shift, scale, 6, "exact")
    for solver in ("exact", "sklearn"):
        found = pca_fit.fit(images.flatten(1), shift, scale, 6, solver, mirror)
        assert torch.allclose(found.mean, expected.mean)
        assert torch.allclose(found.explained_variance, expected.explained_variance)
        assert torch.allclose(found.components.abs(), expected.components.abs(), atol=1e-9)


@pytest.mark.parametrize("scaling", ["mean_image", "standardize", "standardize_pixels", "symmetric"])
def test_statistics_are_those_of_both_sets(scaling: str):
    images = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8) // torch.arange(1, 5, dtype=torch.uint8)
    found = Preprocessing((3, 4, 4), scaling, pca_mirror=True).fit(images)
    expected = Preprocessing((3, 4, 4), scaling).fit(torch.cat([images, images.flip(3)]))
    assert torch.equal(found.shift, expected.shift)
    assert torch.equal(found.scale, expected.scale)


def test_a_flip_changes_the_sign_of_half_the_components():
    # Left and right differ, so components of the images alone are neither even nor odd.
    images = torch.randint(0, 256, (80, 3, 6, 6), dtype=torch.uint8) // torch.arange(1, 7, dtype=torch.uint8)
    settings = {"scaling": "standardize", "n_components": 40, "whiten": True, "whiten_epsilon": 0.01}
    mirrored, plain = (Preprocessing((3, 6, 6), **settings, pca_mirror=mirror).fit(images) for mirror in (True, False))
    features, flipped = mirrored(images), mirrored(images.flip(3))
    signs = (features * flipped).sum(0).sign()
    assert torch.allclose(flipped, features * signs, atol=2e-5)
    assert 10 <= int((signs < 0).sum()) <= 30
    assert not torch.allclose(plain(images.flip(3)).abs(), plain(images).abs(), atol=0.1), "the check could not fail"


def test_mirror_images_are_another_fit_in_the_cache():
    plain, mirrored = (
        CIFAR10DataModule(source="digits", n_components=9, pca_mirror=mirror) for mirror in (False, True)
    )
    for data in (plain, mirrored):
        data.setup("fit")
    assert not torch.equal(plain.preprocessing.pca.components, mirrored.preprocessing.pca.components)
