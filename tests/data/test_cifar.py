import dataclasses
import hashlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cifar_mlp.data import cifar
from cifar_mlp.data.cifar import CIFAR10, CIFAR100
from cifar_mlp.data.forms.batch_files import Table
from cifar_mlp.data.forms.usual_places import ROOT_VARIABLE, locate
from cifar_mlp.data.sources import SOURCES
from tests.made_cifar import FOLDER


def test_images_and_labels_come_in_file_order(small_cifar: Path):
    images, labels = SOURCES["cifar10"].load(None, "train", seed=0)
    assert images.shape == (300, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert labels.tolist() == [number % 10 for number in range(60)] * 5


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_damaged_file_is_named_with_both_checksums(small_cifar: Path, damage: str):
    path = small_cifar / FOLDER / "data_batch_3"
    content = bytearray(path.read_bytes())
    path.write_bytes(content[:-1] if damage == "truncated" else content[:-9] + b"x" + content[-8:])
    expected = SOURCES["cifar10"].table().train[2][1]
    with pytest.raises(ValueError, match=rf"data_batch_3 is damaged.*MD5 is [0-9a-f]{{32}}, expected {expected}"):
        SOURCES["cifar10"].load(None, "train", seed=0)


def test_testing_needs_no_training_file(small_cifar: Path):
    for path in (small_cifar / FOLDER).glob("data_batch_*"):
        path.unlink()
    SOURCES["cifar10"].prepare(None, "test")
    assert len(SOURCES["cifar10"].load(None, "test", seed=0)[0]) == 100


def test_the_option_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch):
    assert locate(None) == (Path("data"), None)
    monkeypatch.setenv(ROOT_VARIABLE, "env")
    assert locate(None) == (Path("env"), ROOT_VARIABLE)
    assert locate("given") == (Path("given"), "--data.root")


@pytest.mark.parametrize("given_by", ["option", "environment"])
def test_a_given_root_is_refused_and_never_replaced(
    small_cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_by: str
):
    monkeypatch.setattr(cifar, "download", lambda *_: pytest.fail("must not download"))
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv(ROOT_VARIABLE, str(elsewhere))
    with pytest.raises(FileNotFoundError, match=rf"elsewhere does not exist; name {FOLDER}"):
        SOURCES["cifar10"].prepare(str(elsewhere) if given_by == "option" else None, "train")
    shutil.copytree(small_cifar, elsewhere)
    (elsewhere / FOLDER / "data_batch_5").unlink()
    with pytest.raises(FileNotFoundError, match="missing: data_batch_5"):
        SOURCES["cifar10"].prepare(None, "train")


def test_tables_are_torchvisions_own():
    table = CIFAR10.table()
    assert [name for name, _ in table.train] == [f"data_batch_{number}" for number in range(1, 6)]
    assert dict(table.train)["data_batch_1"] == "c99cafc152244af753f735de768cd75f"
    assert CIFAR100.table().folder == "cifar-100-python"
    assert len(set(CIFAR100.class_names)) == 100
    assert list(CIFAR100.class_names) == sorted(CIFAR100.class_names)


def test_cifar100_is_read_by_its_fine_labels(tmp_path: Path):
    def written(name: str, num_images: int) -> tuple[str, str]:
        data = np.full((num_images, 3072), 7, np.uint8)
        fine, coarse = [number % 100 for number in range(num_images)], [0] * num_images
        content = pickle.dumps({"data": data, "fine_labels": fine, "coarse_labels": coarse}, protocol=2)
        (tmp_path / name).write_bytes(content)
        return name, hashlib.md5(content).hexdigest()

    table = Table(".", [written("train", 120)], [written("test", 30)], "http://127.0.0.1:9", "0" * 32)
    source = dataclasses.replace(CIFAR100, table=lambda: table, num_train=120, num_test=30)
    images, labels = source.load(str(tmp_path), "train", seed=0)
    assert images.shape == (120, 3, 32, 32)
    assert labels.tolist() == [number % 100 for number in range(120)]


@pytest.mark.real_data
def test_the_real_files_hold_what_is_said_of_them(real_root: str):
    images, labels = CIFAR10.load(None, "train", seed=0)
    assert torch.bincount(labels).tolist() == [5_000] * 10
    assert images.double().mean() / 255 == pytest.approx(0.4734, abs=1e-4)
    assert torch.bincount(CIFAR10.load(None, "test", seed=0)[1]).tolist() == [1_000] * 10
