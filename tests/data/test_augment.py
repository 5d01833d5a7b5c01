"""Each change of an image, its draws, and what training sees of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from cifar_mlp.cli import run
from cifar_mlp.data.augment.augmentation import Augmentation, Place
from cifar_mlp.data.augment.geometry import GREY, cut_out, flip_and_crop
from cifar_mlp.data.augment.mixing import MixedBatch, blend, draw_mixture, paste
from cifar_mlp.data.augment.resampling import recolour, rotate_and_scale
from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.preprocessing import Preprocessing
from cifar_mlp.models.loss import mixed_loss
from cifar_mlp.models.mlp import MLP

ALL = {"flip": "random", "crop": 4, "rotation": 10.0, "scale": 0.1, "colour": 0.2, "cutout": 5}
EVERY = {**ALL, "mixup": 0.5, "cutmix": 1.0}
GREYS = torch.tensor([GREY])


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (64, 3, 9, 7), dtype=torch.uint8)


def changed(images: Tensor, options: dict, place: Place = Place(0, 0), seed: int = 0) -> Tensor:  # noqa: B008
    return Augmentation(options, len(images), seed).change(images, torch.arange(len(images)), place)


# Geometry, exactly


def test_a_flip_and_a_crop_are_pytorch_s(images: Tensor):
    flipped, offsets = torch.rand(64) < 0.5, torch.randint(-3, 4, (64, 2))
    found = flip_and_crop(images, flipped, offsets)
    for image, is_flipped, (down, right), one in zip(images, flipped, offsets.tolist(), found, strict=True):
        source = image.flip(2) if is_flipped else image
        padded = pad(source.float(), (3, 3, 3, 3), mode="reflect").byte()
        assert torch.equal(one, padded[:, 3 + down : 12 + down, 3 + right : 10 + right])


def test_cutout_leaves_a_grey_square_where_it_is_told(images: Tensor):
    centres = torch.tensor([[4, 3], [0, 6]]).repeat(32, 1)
    found = cut_out(images, centres, 4)
    grey = torch.zeros(9, 7, dtype=torch.bool)
    grey[2:6, 1:5] = True
    assert torch.equal(found[0], images[0].masked_fill(grey, GREY))
    assert (found[1, :, :2, 4:] == GREY).all(), "cut off by the edges"
    assert torch.equal(found[1, :, 2:], images[1, :, 2:])


def test_a_quarter_turn_is_clockwise_and_a_zoom_enlarges():
    square = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    quarter = rotate_and_scale(square, torch.full((2,), 90.0), torch.ones(2))
    assert torch.equal(quarter, square.rot90(-1, (2, 3)))
    assert torch.equal(rotate_and_scale(square, torch.zeros(2), torch.ones(2)), square)
    edge = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    edge[..., 3:5, 3:5] = 200
    larger = rotate_and_scale(edge, torch.zeros(1), torch.full((1,), 2.0))
    assert int((larger > 100).sum()) == 16


def test_colour_factors_do_what_their_names_say(images: Tensor):
    ones = torch.ones(64, 3)
    assert torch.equal(recolour(images, ones), images)
    without_colour = recolour(images, ones * torch.tensor([0.0, 1.0, 1.0]))
    assert torch.equal(without_colour[:, 0], without_colour[:, 2])
    flat = recolour(images, ones * torch.tensor([1.0, 0.0, 1.0]))
    assert (flat == flat[:, :1, :1, :1]).all()
    means = images.float().mean((1, 2, 3))
    assert (recolour(images // 2, ones * torch.tensor([1.0, 1.0, 1.5])).float().mean((1, 2, 3)) > 0.7 * means).all()


# Two labels


def test_mixup_of_features_is_mixup_of_pixels(images: Tensor):
    preprocessing = Preprocessing((3, 9, 7), "standardize", 9, whiten=True).fit(images).double()
    mixture = draw_mixture(np.random.default_rng(0), len(images), (9, 7), 0.7, 0.0)
    mixed = mixture.share * images.double() + (1 - mixture.share) * images[mixture.partners].double()
    assert torch.allclose(blend(preprocessing(images), mixture), preprocessing(mixed))


def test_cutmix_s_share_is_the_area_that_stayed(images: Tensor):
    rng, shares = np.random.default_rng(0), []
    for _ in range(200):
        mixture = draw_mixture(rng, len(images), (9, 7), 0.0, 1.0)
        assert mixture.box is not None
        pasted = paste(torch.arange(64).expand(1, 9, 7, 64).permute(3, 0, 1, 2), mixture)
        stayed = (pasted == torch.arange(64)[:, None, None, None]).double().mean((1, 2, 3))
        other = mixture.partners != torch.arange(64)
        assert stayed[other].numpy() == pytest.approx(mixture.share)
        shares.append(mixture.share)
    assert 0.4 < np.mean(shares) < 0.75, "the edges give some back"


def test_the_loss_of_two_labels_is_that_of_their_mean():
    network, features = MLP(5, 4, [6]), torch.randn(8, 5)
    labels, others, weight = torch.randint(4, (8,)), torch.randint(4, (8,)), torch.rand(8)
    settings = {"label_smoothing": 0.1, "regularization": 0.01}
    loss, logits = mixed_loss(network, features, MixedBatch(features, labels, others, weight), settings)
    one_hot = torch.nn.functional.one_hot
    soft = weight[:, None] * one_hot(labels, 4) + (1 - weight)[:, None] * one_hot(others, 4)
    expected = cross_entropy(logits, soft, label_smoothing=0.1) + 0.01 * network.squared_weights()
    assert torch.allclose(loss, expected)


# Draws


def test_draws_depend_on_seed_and_place_alone(images: Tensor):
    first = changed(images, ALL)
    assert torch.equal(changed(images, ALL), first)
    for other in (Place(1, 0), Place(0, 1), Place(0, 0, 1)):
        assert not torch.equal(changed(images, ALL, other), first)
    assert not torch.equal(changed(images, ALL, seed=1), first)


def test_a_further_change_leaves_the_others_draws(images: Tensor):
    plain, with_hole = changed(images, {"flip": "random", "crop": 3}), changed(images, {**ALL, "rotation": 1e-9})
    same = changed(images, {"flip": "random", "crop": 3, "cutout": 2})
    assert torch.equal(same[same != GREY], plain[same != GREY])
    assert not torch.equal(with_hole, plain)


def test_the_draws_have_the_asked_spread():
    pixels = torch.arange(49, dtype=torch.uint8).view(1, 1, 7, 7).expand(4000, 1, 7, 7)
    cropped = changed(pixels, {"crop": 2})[:, 0, 3, 3].long()
    down, right = cropped // 7 - 3, cropped % 7 - 3
    for offsets in (down, right):
        counts = torch.bincount(offsets + 2, minlength=5)
        assert counts.min() > 700
        assert counts.max() < 900
    assert abs(torch.corrcoef(torch.stack([down, right]).double())[0, 1]) < 0.05
    flipped = changed(pixels, {"flip": "random"})[:, 0, 0, 0] == 6
    assert 0.47 < flipped.double().mean() < 0.53
    shares = [draw_mixture(np.random.default_rng(n), 4, (7, 7), 0.2, 0.0).share for n in range(2000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(0.25 / 1.4, abs=0.01)  # of Beta(0.2, 0.2)


def test_alternating_flips_show_each_image_both_ways_in_turn(images: Tensor):
    shown = [changed(images, {"flip": "alternating"}, Place(epoch, epoch)) for epoch in range(4)]
    assert torch.equal(shown[1], shown[0].flip(3))
    assert torch.equal(shown[2], shown[0])
    assert torch.equal(shown[3], shown[1])
    flipped = (shown[0] != images).any(3).any(2).any(1)
    assert 16 < int(flipped.sum()) < 48


# In the data module


def test_training_sees_changed_features_and_validation_plain_ones(small_cifar: Path):
    plain, other = (CIFAR10DataModule(batch_size=20, augment=augment) for augment in (None, {"flip": "random"}))
    plain.setup("fit"), other.setup("fit")
    before, after = next(iter(plain.train_dataloader())), next(iter(other.train_dataloader()))
    assert torch.equal(before.indices, after.indices)
    assert torch.equal(before.labels, after.labels)
    as_images = [batch.inputs.unflatten(1, (3, 32, 32)) for batch in (before, after)]
    same, mirrored = ((as_images[1] == image).flatten(1).all(1) for image in (as_images[0], as_images[0].flip(3)))
    assert (same ^ mirrored).all()
    assert same.any()
    assert mirrored.any()
    assert torch.equal(plain._splits["val"].inputs, other._splits["val"].inputs)
    loader = other.train_dataloader()
    assert not torch.equal(next(iter(loader)).inputs, next(iter(loader)).inputs), "another epoch"


RUN = ["fit", "--data.source", "digits", "--data.batch_size", "100", "--data.n_components", "9"]
RUN += ["--data.augment", str(EVERY), "--data.pca_mirror", "true", "--model.hidden_sizes", "[16]"]
RUN += ["--trainer.precision", "32-true", "--trainer.max_epochs", "3"]


def end(folder: str) -> dict[str, Tensor]:
    content = torch.load(next(Path(folder).rglob("last.ckpt")), weights_only=True)
    weights: dict[str, Tensor] = content["state_dict"]
    return weights


def test_a_run_resumed_within_an_epoch_draws_what_an_unbroken_one_does():
    run([*RUN, "--trainer.default_root_dir", "unbroken"])
    run([*RUN, "--trainer.default_root_dir", "first", "--trainer.max_steps", "20"])
    checkpoint = str(next(Path("first").rglob("last.ckpt")))
    resumed = ["--trainer.max_epochs", "3", "--trainer.max_steps", "-1", "--fast_loop", "false"]
    run(["fit", "--ckpt_path", checkpoint, *resumed, "--trainer.default_root_dir", "second"])
    assert all(torch.equal(value, end("second")[name]) for name, value in end("unbroken").items())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"flop": 1}, "there is no such change; there are flip, crop"),
        ({"flip": "sometimes"}, "flip must be one of random, alternating"),
        ({"crop": 32}, "crop must be a whole number above 0 and at most 31, not 32"),
        ({"cutout": 1.5}, "cutout must be a whole number"),
        ({"mixup": 0}, "mixup must be a number above 0, not 0; leave it out"),
        ({"colour": True}, "colour must be a number above 0 and at most 1.0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        CIFAR10DataModule(augment=options)


def test_a_sheet_shows_them(views: None):
    run([*RUN[:-1], "1", "--trainer.max_steps", "2", "--trainer.limit_val_batches", "0"])
    (sheet,) = Path().rglob("pictures/augmented_images.png")
    assert sheet.stat().st_size > 5_000
