import pytest
import torch

from cifar_mlp.data.splits import train_val_indices

LABELS = torch.arange(100) % 10


def test_the_report_holds_out_the_last_images():
    train, val = train_val_indices(LABELS, "report", 20, None, 0, seed=0)
    assert train.tolist() == list(range(80))
    assert val.tolist() == list(range(80, 100))


def test_a_random_split_is_stratified_disjoint_and_follows_the_seed():
    train, val = train_val_indices(LABELS, "random", 20, None, 0, seed=0)
    assert sorted(torch.cat([train, val]).tolist()) == list(range(100))
    assert torch.bincount(LABELS[val]).tolist() == [2] * 10
    again = train_val_indices(LABELS, "random", 20, None, 0, seed=0)[1]
    other = train_val_indices(LABELS, "random", 20, None, 0, seed=1)[1]
    assert torch.equal(val, again)
    assert not torch.equal(val, other)


def test_of_no_validation_images_all_are_left_for_training():
    for split in ("report", "random"):
        train, val = train_val_indices(LABELS, split, 0, None, 0, seed=0)  # type: ignore[arg-type]
        assert train.tolist() == list(range(100))
        assert len(val) == 0


@pytest.mark.parametrize("num_folds", [2, 5])
def test_folds_hold_out_every_image_once(num_folds: int):
    held_out = [train_val_indices(LABELS, "report", 20, num_folds, fold, seed=0)[1] for fold in range(num_folds)]
    assert sorted(torch.cat(held_out).tolist()) == list(range(100))
    for val in held_out:
        assert torch.bincount(LABELS[val], minlength=10).tolist() == [10 // num_folds] * 10
