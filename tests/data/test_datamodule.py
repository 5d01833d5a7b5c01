from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cifar_mlp.data.datamodule import CIFAR10DataModule
from cifar_mlp.data.loader import Batch
from cifar_mlp.data.sources import SOURCES
from tests.long_cases import rest_long


def ready(**settings: object) -> CIFAR10DataModule:
    data = CIFAR10DataModule(**{"batch_size": 20, **settings})
    data.setup("fit")
    return data


def features(data: CIFAR10DataModule, split: str = "train") -> torch.Tensor:
    return data._splits[split].inputs


def test_the_split_is_the_report_s(small_cifar: Path):
    data = ready()
    images, labels = SOURCES["cifar10"].load(None, "train", 0)
    assert torch.equal(data._splits["train"].labels, labels[:250])
    assert torch.allclose(features(data, "val"), images[250:].flatten(1) / 127.5 - 1, atol=1e-6)
    data.setup("test")
    assert len(data._splits["test"]) == 100


@pytest.mark.parametrize(
    "settings",
    [{"n_components": 5}, *({"scaling": name} for name in ("mean_image", "standardize", "standardize_pixels"))],
)
def test_nothing_fitted_moves_with_validation_and_test_pixels(
    small_cifar: Path, monkeypatch: pytest.MonkeyPatch, settings: dict
):
    before = ready(**settings).preprocessing.state_dict()
    source = SOURCES["cifar10"]
    load = type(source).load

    def changed(self: object, root: str | None, part: str, seed: int):
        images, labels = load(source, root, part, seed)
        images[250 if part == "train" else 0 :] = 255 - images[250 if part == "train" else 0 :]
        return images, labels

    monkeypatch.setattr(type(source), "load", changed)
    data = ready(**settings, cache_dir="another")
    assert all(torch.equal(value, before[name]) for name, value in data.preprocessing.state_dict().items())
    monkeypatch.setattr(type(source), "load", lambda *a: tuple(255 - t if t.ndim == 4 else t for t in load(*a)))
    moved = ready(**settings, cache_dir="a third").preprocessing.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in moved.items()), "the check could not fail"


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("n_components", [None, 6])
@pytest.mark.parametrize(
    "scaling",
    rest_long(["symmetric", "mean_image", "standardize", "standardize_pixels"], ["symmetric", "standardize_pixels"]),
)
def test_features_and_pixels_are_two_paths_to_one_answer(
    small_cifar: Path, scaling: str, n_components: int | None, whiten: bool
):
    if whiten and n_components is None:
        with pytest.raises(ValueError, match=r"whiten needs --data\.n_components"):
            ready(scaling=scaling, whiten=True)
        return
    data = ready(scaling=scaling, n_components=n_components, whiten=whiten)
    on_features = features(data, "val")
    data = ready(scaling=scaling, n_components=n_components, whiten=whiten, byte_images=True)
    data.setup("validate")
    assert features(data, "val").dtype == torch.uint8
    from_pixels = data.preprocessing(features(data, "val"))
    assert torch.allclose(on_features, from_pixels, rtol=1e-5, atol=1e-5 * float(on_features.abs().max()))


FLIPS = {
    "split": "random",
    "val_size": 40,
    "num_folds": 3,
    "scaling": "mean_image",
    "n_components": 9,
    "dtype": "float64",
    "source": "digits",
}


@pytest.mark.parametrize("option", FLIPS)
def test_every_option_changes_the_features(small_cifar: Path, option: str):
    plain, flipped = features(ready()), features(ready(**{option: FLIPS[option]}))
    assert plain.dtype != flipped.dtype or plain.shape != flipped.shape or not torch.equal(plain, flipped), (
        f"{option} changes nothing"
    )


def test_whitening_its_epsilon_and_the_fold_change_the_features(small_cifar: Path):
    base = {"n_components": 4}
    plain, whitened = ready(**base), ready(**base, whiten=True)
    bounded = ready(**base, whiten=True, whiten_epsilon=1.0)
    assert not torch.equal(features(plain), features(whitened))
    assert not torch.equal(features(whitened), features(bounded))
    assert not torch.equal(features(ready(num_folds=3)), features(ready(num_folds=3, fold=1)))
    assert not torch.equal(features(ready(split="random")), features(ready(split="random", seed=1)))


def test_sampling_batch_size_and_seed_change_the_batches(small_cifar: Path):
    def first(**settings: object) -> list[int]:
        return next(iter(ready(**settings).train_dataloader())).indices.tolist()

    plain = first()
    assert len(plain) == 20
    assert len(first(batch_size=30)) == 30
    assert first(seed=1) != plain
    assert first(sampling="replacement") != plain


def test_test_size_takes_the_first_images(small_cifar: Path):
    data = CIFAR10DataModule(batch_size=20, test_size=30)
    data.setup("test")
    labels = torch.cat([batch.labels for batch in data.test_dataloader()])
    assert torch.equal(labels, SOURCES["cifar10"].load(None, "test", 0)[1][:30])


def test_digits_are_split_by_the_seed_stratified_and_named(small_cifar: Path):
    data = ready(source="digits")
    data.setup("test")
    sizes = {name: len(split) for name, split in data._splits.items()}
    assert sizes == {"train": 1_257, "val": 270, "test": 270}
    counts = torch.bincount(data._splits["test"].labels)
    assert counts.max() - counts.min() <= 2
    assert data.metric_prefix == "digits/"
    assert data.num_features == 64
    other = ready(source="digits", seed=1)
    other.setup("test")
    assert not torch.equal(features(other, "test"), features(data, "test"))
    with pytest.raises(ValueError, match=r"--data.root cannot be given"):
        CIFAR10DataModule(source="digits", root="x").prepare_data()


def test_unequal_folds_train_on_all_their_images(small_cifar: Path):
    for fold in range(7):  # 300 images: folds of 42 and of 43
        data = ready(num_folds=7, fold=fold)
        assert (data.num_train, data.num_val) == (len(data._splits["train"]), len(data._splits["val"]))
        assert data.num_train + data.num_val == 300
        assert sum(len(batch.labels) for batch in data.train_dataloader()) == data.num_train


def test_a_checkpoint_s_preprocessing_is_taken_as_it_is(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    fitted = ready(n_components=5, whiten=True)
    state = {f"preprocessing.{name}": value for name, value in fitted.preprocessing.state_dict().items()}
    monkeypatch.setattr("cifar_mlp.data.features.fit_or_read", lambda *_: pytest.fail("must not fit"))
    other = CIFAR10DataModule(batch_size=20, n_components=5, whiten=True)
    other.use_fitted({**state, "network.weight": torch.zeros(1)})
    other.prepare_data()
    other.setup("fit")
    assert torch.equal(features(other), features(fitted))


def test_the_second_run_fits_nothing(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    fitted = ready(n_components=5).preprocessing.state_dict()
    monkeypatch.setattr("cifar_mlp.data.preprocessing.pca_fit.fit", lambda *_: pytest.fail("must read the cache"))
    again = ready(n_components=5, whiten=True, batch_size=50).preprocessing.state_dict()
    assert all(torch.equal(value, fitted[name]) for name, value in again.items())
    for other in ({"n_components": 6}, {"scaling": "mean_image"}, {"split": "random"}, {"pca_solver": "sklearn"}):
        with pytest.raises(pytest.fail.Exception):
            ready(**{"n_components": 5, **other})


def test_the_solvers_agree(small_cifar: Path):
    exact, witness = (ready(n_components=5, pca_solver=solver).preprocessing for solver in ("exact", "sklearn"))
    assert exact.pca is not None
    assert witness.pca is not None
    assert torch.allclose(exact.pca.components, witness.pca.components, atol=1e-5)


BAD = {
    "--data.n_components": [{"n_components": 0}, {"n_components": -1}, {"n_components": 3073}, {"n_components": 251}],
    "--data.batch_size": [{"batch_size": 0}, {"batch_size": -5}, {"batch_size": 251}],
    "--data.val_size": [{"val_size": 300}, {"val_size": -1}, {"val_size": 0, "num_folds": 3}],
    "--data.test_size": [{"test_size": 0}, {"test_size": 101}],
    "--data.num_folds": [{"num_folds": 1}, {"num_folds": 301}],
    "--data.fold": [{"fold": 1}, {"num_folds": 3, "fold": 3}, {"num_folds": 3, "fold": -1}],
    "--data.source": [{"source": "cifar"}],
    "--data.split": [{"split": "rnd"}],
    "--data.sampling": [{"sampling": "bootstrap"}],
    "--data.scaling": [{"scaling": "none"}],
    "--data.dtype": [{"dtype": "int8"}],
    "--data.pca_solver": [{"pca_solver": "arpack"}],
    "--data.whiten": [{"whiten": True}],
    "--data.whiten_epsilon": [{"n_components": 3, "whiten": True, "whiten_epsilon": -1.0}],
}


@pytest.mark.parametrize(
    ("option", "settings"), [(option, settings) for option, many in BAD.items() for settings in many], ids=str
)
def test_what_cannot_be_is_refused_by_name_before_any_file_is_opened(
    small_cifar: Path, monkeypatch: pytest.MonkeyPatch, option: str, settings: dict
):
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("must not read"))
    with pytest.raises(ValueError, match=option):
        CIFAR10DataModule(**{"batch_size": 20, **settings})


def batches_of(loader: Iterable[Batch]) -> list[Tensor]:
    """Labels of a pass, batch by batch; every batch is a pair."""
    return [y for x, y in loader if len(x) == len(y)]


def test_without_a_trainer_every_pass_is_a_new_order(small_cifar: Path):
    loader = ready().train_dataloader()
    first, second = (torch.cat(batches_of(loader)) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)
    again = ready().train_dataloader()
    assert torch.equal(torch.cat(batches_of(again)), first)


def test_setup_without_a_stage_loads_all(small_cifar: Path):
    data = CIFAR10DataModule(batch_size=20, n_components=5)
    data.prepare_data()
    data.setup()
    for loader, count in (
        (data.train_dataloader(), data.num_train),
        (data.val_dataloader(), data.num_val),
        (data.test_dataloader(), 100),
        (data.predict_dataloader(), 100),
    ):
        shapes = [x.shape[1:] for x, _ in loader]
        assert set(shapes) == {(5,)}
        assert sum(map(len, batches_of(loader))) == count


@pytest.mark.parametrize(
    ("loader", "stage"),
    [("train", "fit"), ("val", "fit"), ("test", "test"), ("predict", "predict")],
)
def test_a_loader_before_setup_is_one_clear_line(small_cifar: Path, loader: str, stage: str):
    with pytest.raises(ValueError, match=rf"setup\('{stage}'\) first"):
        getattr(CIFAR10DataModule(batch_size=20), f"{loader}_dataloader")()


def test_a_rebuilt_batch_is_still_a_pair():
    batch = Batch(torch.zeros(2, 3), torch.zeros(2), torch.arange(2))
    assert batch.to(torch.device("cpu")).indices.tolist() == [0, 1]
    assert Batch(*batch).indices is None
