"""Means over an epoch's steps, counted many at a time."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from cifar_mlp.models.training_mean import STEPS_TOGETHER, TrainingMean


@pytest.mark.parametrize("steps", [1, STEPS_TOGETHER, STEPS_TOGETHER + 3])
def test_means_are_over_images_not_over_batches(steps: int):
    generator = torch.Generator().manual_seed(steps)
    logits = torch.randn(10 * steps - 7, 4, generator=generator)
    labels = torch.randint(4, (len(logits),), generator=generator)
    mean = TrainingMean()
    for batch in torch.arange(len(logits)).split(10):
        mean.add(cross_entropy(logits[batch], labels[batch]), logits[batch], labels[batch])
    read = mean.read()
    assert read is not None
    loss, accuracy = read
    torch.testing.assert_close(loss, cross_entropy(logits, labels))
    torch.testing.assert_close(accuracy, (logits.argmax(1) == labels).float().mean())
    assert mean.read() is None


def test_nothing_of_the_graph_is_kept():
    weight = torch.ones(2, 3, requires_grad=True)
    mean = TrainingMean()
    mean.add(weight.sum(), weight, torch.zeros(2, dtype=torch.int64))
    assert not any(part.requires_grad for part in mean._steps[0])
