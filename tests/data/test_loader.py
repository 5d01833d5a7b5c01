import pytest
import torch

from cifar_mlp.data.loader import SequentialOrder, TensorSplit, TrainingOrder, evaluation_loader


def test_an_epoch_visits_every_image_once_in_an_order_of_its_own():
    order = TrainingOrder(103, 10, "epoch", seed=0)
    first = torch.cat(list(order))
    assert sorted(first.tolist()) == list(range(103))
    assert len(list(order)) == len(order) == 11
    assert torch.equal(torch.cat(list(order)), first)
    order.begin_at(1, 0)
    assert not torch.equal(torch.cat(list(order)), first)
    assert not torch.equal(torch.cat(list(TrainingOrder(103, 10, "epoch", seed=1))), first)


def test_the_order_ignores_the_global_generator():
    order = TrainingOrder(50, 10, "epoch", seed=0)
    first = torch.cat(list(order))
    torch.manual_seed(99)
    torch.rand(5)
    before = torch.get_rng_state()
    assert torch.equal(torch.cat(list(order)), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_replacement_draws_full_batches_as_a_function_of_the_step():
    order = TrainingOrder(49_000, 200, "replacement", seed=0)
    batches = list(order)
    assert len(batches) == len(order) == 245
    assert {len(batch) for batch in batches} == {200}
    drawn = torch.cat(batches)
    assert len(drawn.unique()) < len(drawn)
    assert drawn.double().mean() == pytest.approx(24_500, rel=0.02)
    order.begin_at(0, 100)
    assert torch.equal(next(iter(order)), batches[100])
    order.begin_at(1, 0)
    assert not torch.equal(next(iter(order)), batches[0])


@pytest.mark.parametrize("sampling", ["epoch", "replacement"])
def test_ranks_share_an_epoch_in_as_many_steps(sampling: str):
    ranks = [TrainingOrder(101, 10, sampling, 0, rank, 2) for rank in range(2)]
    batches = [list(order) for order in ranks]
    assert len(batches[0]) == len(batches[1]) == len(ranks[0])
    if sampling == "epoch":
        assert set(torch.cat(batches[0] + batches[1]).tolist()) == set(range(101))


def test_an_epoch_can_begin_within():
    order = TrainingOrder(50, 10, "epoch", seed=0)
    order.begin_at(4, 0)
    whole = list(order)
    order.begin_at(4, 3)
    assert [batch.tolist() for batch in order] == [batch.tolist() for batch in whole[3:]]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_sees_every_image_once(world_size: int):
    seen = torch.cat([batch for rank in range(world_size) for batch in SequentialOrder(65, 10, rank, world_size)])
    assert sorted(seen.tolist()) == list(range(65))


def test_a_batch_is_rows_of_the_split():
    inputs, labels = torch.randn(25, 4), torch.arange(25)
    batches = list(evaluation_loader(TensorSplit(inputs, labels), SequentialOrder(25, 10)))
    assert [len(batch.labels) for batch in batches] == [10, 10, 5]
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), inputs)
    assert torch.equal(torch.cat([batch.indices for batch in batches]), labels)
