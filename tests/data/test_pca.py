"""The PCA's contract, and scikit-learn as the witness."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.decomposition
import sklearn.preprocessing
import torch

from cifar_mlp.data import pca_fit
from cifar_mlp.data.pca import PCA
from cifar_mlp.data.preprocessing import Preprocessing
from tests.conftest import REAL_ROOT

NUM_IMAGES, SHAPE, K = 150, (3, 4, 5), 7


@pytest.fixture
def images() -> torch.Tensor:
    """Byte images whose pixels hang together, so that the spectrum falls."""
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(NUM_IMAGES, 12, generator=generator) * torch.linspace(60, 5, 12)
    mixed = hidden @ torch.randn(12, 60, generator=generator) / 4 + 120
    return mixed.clamp(0, 255).round().to(torch.uint8).view(NUM_IMAGES, *SHAPE)


def as_witness_sees(images: torch.Tensor, preprocessing: Preprocessing) -> np.ndarray:
    pixels = images.flatten(1).double()
    return ((pixels - preprocessing.shift.double()) * preprocessing.scale.double()).numpy()


@pytest.mark.parametrize("solver", ["exact", "sklearn"])
@pytest.mark.parametrize("scaling", ["symmetric", "mean_image", "standardize", "standardize_pixels"])
def test_it_is_scikit_learns_pca(images: torch.Tensor, scaling: str, solver: str):
    ours = Preprocessing(SHAPE, scaling, K).fit(images, solver)
    witness = sklearn.decomposition.PCA(K, svd_solver="full").fit(as_witness_sees(images, ours))
    assert ours.pca is not None
    np.testing.assert_allclose(ours.pca.components, witness.components_, atol=1e-5)
    np.testing.assert_allclose(ours.pca.explained_variance, witness.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(ours(images), witness.transform(as_witness_sees(images, ours)), rtol=1e-4, atol=2e-4)


def test_the_exact_fit_is_exact_to_float64(images: torch.Tensor):
    shift, scale = torch.full((60,), 127.5).double(), torch.full((60,), 1 / 127.5).double()
    ours = pca_fit.fit(images.flatten(1), shift, scale, K, "exact")
    witness = pca_fit.fit(images.flatten(1), shift, scale, K, "sklearn")
    for name, found, expected in zip(ours._fields, ours, witness, strict=True):
        assert torch.allclose(found, expected, rtol=1e-11, atol=1e-11), name


def test_eigenpairs_by_the_solver_for_gpus_are_the_same():
    covariance = torch.cov(torch.randn(12, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    expected, found = (
        solver(covariance.clone(), 5) for solver in (pca_fit._leading_eigenpairs, pca_fit._leading_of_all_eigenpairs)
    )
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(pca_fit._fix_signs(found[1]), pca_fit._fix_signs(expected[1]))


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["highest", "high"])
def test_a_gpu_finds_the_same_integers_and_components(
    images: torch.Tensor, precision: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", precision == "high")
    pixels, shift, scale = images.flatten(1), torch.full((60,), 127.5).double(), torch.ones(60).double()
    for found, expected in zip(pca_fit.moments(pixels.cuda()), pca_fit.moments(pixels), strict=True):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-15, atol=0)
    found, expected = (pca_fit.fit(where, shift, scale, K, "exact") for where in (pixels.cuda(), pixels))
    torch.testing.assert_close(found.explained_variance, expected.explained_variance)
    torch.testing.assert_close(found.components, expected.components, rtol=1e-9, atol=1e-9)


def test_moments_are_the_moments_of_integers():
    pixels = torch.randint(0, 256, (pca_fit.CHUNK + 37, 9), dtype=torch.uint8)
    pixels[:3] = torch.tensor([[0], [128], [255]], dtype=torch.uint8)
    mean, covariance = pca_fit.moments(pixels)
    exact = pixels.numpy().astype(object)  # Python's integers
    num_images = len(exact)
    scatter = num_images * (exact.T @ exact) - np.outer(exact.sum(0), exact.sum(0))
    expected = (scatter / (num_images * (num_images - 1))).astype(float)
    np.testing.assert_allclose(covariance, expected, rtol=1e-15)
    np.testing.assert_allclose(mean, (exact.sum(0) / num_images).astype(float), rtol=1e-15)


SATURATING = """
import torch
from cifar_mlp.data import pca_fit
pixels = torch.randint(0, 2, (3000, 40), dtype=torch.uint8) * 255
assert pca_fit.int8_products_are_exact() is EXPECTED, "unexpected answer"
covariance = pca_fit.moments(pixels)[1]
assert torch.allclose(covariance, torch.cov(pixels.double().T), rtol=1e-12), "not exact"
"""


@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE", None])
def test_moments_are_exact_on_processors_whose_int8_products_saturate(isa: str | None):
    environment = {**os.environ, **({"ONEDNN_MAX_CPU_ISA": isa} if isa else {})}
    expected = "False" if isa else "pca_fit.int8_products_are_exact()"
    if isa and not (Path("/proc/cpuinfo").is_file() and "avx512_vnni" in Path("/proc/cpuinfo").read_text()):
        expected = "pca_fit.int8_products_are_exact()"  # the limit only bites where there is more to have
    code = SATURATING.replace("EXPECTED", expected)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_processor_without_avx512_takes_float32_products(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert pca_fit.int8_products_are_exact.__wrapped__() is False  # exact there, and forty times as slow


def test_both_ways_to_the_moments_give_the_same_integers(monkeypatch: pytest.MonkeyPatch):
    pixels = torch.randint(0, 256, (2 * pca_fit.FLOAT_CHUNK + 3, 30), dtype=torch.uint8)
    first = pca_fit.moments(pixels)
    monkeypatch.setattr(pca_fit, "int8_products_are_exact", lambda: False)
    assert all(torch.equal(a, b) for a, b in zip(first, pca_fit.moments(pixels), strict=True))


@pytest.mark.parametrize("solver", ["exact", "sklearn"])
def test_components_are_orthonormal_sorted_and_signed(images: torch.Tensor, solver: str):
    pca = Preprocessing(SHAPE, n_components=K).fit(images, solver).pca
    assert pca is not None
    assert torch.allclose(pca.components @ pca.components.T, torch.eye(K), atol=1e-6)
    assert (pca.explained_variance.diff() <= 0).all()
    largest = pca.components.abs().argmax(1, keepdim=True)
    assert (pca.components.gather(1, largest) > 0).all()


def test_whitened_features_have_unit_variance_and_epsilon_bounds_it(images: torch.Tensor):
    whitened = Preprocessing(SHAPE, n_components=K, whiten=True).fit(images)(images)
    assert torch.allclose(whitened.std(0), torch.ones(K), atol=1e-4)
    plain = Preprocessing(SHAPE, n_components=K).fit(images)(images)
    bounded = Preprocessing(SHAPE, n_components=K, whiten=True, whiten_epsilon=0.5).fit(images)(images)
    assert torch.allclose(bounded.var(0), plain.var(0) / (plain.var(0) + 0.5), rtol=1e-3)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("scaling", ["symmetric", "mean_image", "standardize", "standardize_pixels"])
def test_all_components_give_the_pixels_back(scaling: str, whiten: bool):
    images = torch.randint(0, 256, (200, 1, 3, 4), dtype=torch.uint8)
    preprocessing = Preprocessing((1, 3, 4), scaling, 12, whiten).fit(images)
    assert torch.allclose(preprocessing.inverse(preprocessing(images)), images.float(), atol=1e-2)


@pytest.mark.parametrize("scaling", ["mean_image", "standardize", "standardize_pixels"])
def test_scalings_do_what_they_say(images: torch.Tensor, scaling: str):
    features = Preprocessing(SHAPE, scaling).fit(images)(images)
    if scaling == "mean_image":
        assert torch.allclose(features.mean(0), torch.zeros(60), atol=1e-3)
        assert torch.allclose(features.std(0), images.flatten(1).float().std(0), rtol=1e-4)
    else:
        channels = features.view(NUM_IMAGES, 3, 20).double()
        assert torch.allclose(channels.mean((0, 2)), torch.zeros(3).double(), atol=1e-5)
        assert torch.allclose(channels.std((0, 2), unbiased=False), torch.ones(3).double(), rtol=1e-5)


def test_symmetric_maps_bytes_to_minus_one_and_one():
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert Preprocessing((1, 1, 1)).fit(images)(images).flatten().tolist() == [-1.0, 1.0]


def test_half_precision_of_the_network_does_not_blur_the_data(images: torch.Tensor):
    preprocessing = Preprocessing(SHAPE, n_components=K).fit(images)
    before = preprocessing(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(preprocessing(images), before)
    assert torch.equal(preprocessing.to(torch.bfloat16)(images), before)


@pytest.mark.real_data
@pytest.mark.slow
def test_on_cifar10_the_report_s_510_components_hold_98_4_percent(real_root: str):
    from cifar_mlp.data.cifar import CIFAR10

    assert REAL_ROOT
    images = CIFAR10.load(None, "train", 0)[0][:49_000]
    preprocessing = Preprocessing((3, 32, 32), "mean_image", 510).fit(images)
    assert preprocessing.pca is not None
    total = images.flatten(1).float().var(0).double().sum()
    assert preprocessing.pca.explained_variance.double().sum() / total == pytest.approx(0.984, abs=5e-4)


@pytest.mark.parametrize("n_components", [K, 0.9, 0.5, None])
@pytest.mark.parametrize("kind", ["bytes", "float64", "float32", "bfloat16"])
def test_the_module_fits_as_scikit_learn_s(images: torch.Tensor, kind: str, n_components: int | float | None):
    x = images if kind == "bytes" else (images / 255).to(getattr(torch, kind))
    ours = PCA(n_components).fit(x)
    witness = sklearn.decomposition.PCA(n_components, svd_solver="full").fit(x.flatten(1).double().numpy())
    assert ours.components.shape == witness.components_.shape
    rounding = 1e-9 if kind == "float64" else 1e-5
    large = witness.explained_variance_ > 1e-3 * witness.explained_variance_[0]  # others' directions are noise
    np.testing.assert_allclose(ours.components[large], witness.components_[large], atol=max(rounding, 1e-7) * 10)
    np.testing.assert_allclose(
        ours.explained_variance, witness.explained_variance_, rtol=rounding, atol=rounding * ours.explained_variance[0]
    )
    expected = witness.transform(x.flatten(1).double().numpy())[:, large]
    np.testing.assert_allclose(ours(x)[:, large], expected, atol=max(rounding, 1e-6) * np.abs(expected).max() * 10)
    assert ours.mean.dtype == (torch.float64 if kind == "float64" else torch.float32)


def test_whitened_features_have_unit_variance_and_invert(images: torch.Tensor):
    x = (images / 255).double()
    pca = PCA(K, whiten=True).fit(x)
    features = pca(x)
    assert torch.allclose(features.var(0), torch.ones(K, dtype=torch.float64))
    assert torch.allclose(pca(pca.inverse(features)), features)


@pytest.mark.parametrize("n_components", ["mle", 0, -1, 1.5, True, float("nan")])
def test_a_number_of_components_that_is_none_is_refused(n_components: object):
    with pytest.raises(ValueError, match="n_components must be"):
        PCA(n_components)


def test_what_cannot_be_fitted_is_refused(images: torch.Tensor):
    with pytest.raises(ValueError, match="not fitted"):
        PCA(3)(images)
    with pytest.raises(ValueError, match="n_components 61"):
        PCA(61).fit(images)
    with pytest.raises(ValueError, match="finite"):
        PCA(2).fit(torch.full((5, 3), torch.inf))
    with pytest.raises(ValueError, match=r"x must be \(N, D\) with at least two rows, not \(10,\)"):
        PCA(2).fit(torch.arange(10.0))
    with pytest.raises(ValueError, match=r"fitted to \(N, \d+\), not \(2, 7\)"):
        PCA(2).fit(images)(torch.rand(2, 7))


@pytest.mark.parametrize("n_components", [np.int64(4), np.float32(0.5)])
def test_numpy_s_numbers_and_arrays_are_taken(images: torch.Tensor, n_components: np.number):
    ours = PCA(n_components)
    assert torch.equal(ours.fit(images.numpy())(images.numpy()), PCA(n_components.item()).fit(images)(images))


def test_pixels_are_standardized_as_scikit_learn_does(images: torch.Tensor):
    images[:, 0, 0, 0], images[:, 1, 2, 3] = 0, 201  # pixels that never change
    ours = Preprocessing(SHAPE, "standardize_pixels").fit(images)
    pixels = images.flatten(1).double().numpy()
    witness = sklearn.preprocessing.StandardScaler().fit(pixels)
    np.testing.assert_allclose(ours.shift, witness.mean_, rtol=1e-7)
    np.testing.assert_allclose(ours.scale, 1 / witness.scale_, rtol=1e-7)
    np.testing.assert_allclose(ours(images), witness.transform(pixels), atol=1e-5)
    assert torch.equal(ours.inverse(ours(images)).round().to(torch.uint8), images)
