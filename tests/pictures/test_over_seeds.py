"""Curves over seeds say of how many."""

import pytest

from cifar_mlp.pictures.over_seeds import Curves, validation_of_networks

RUN: Curves = {"val/accuracy": [0.3, 0.4]}


@pytest.mark.parametrize(
    ("counts", "said"), [((1, 1), "one seed"), ((3, 3), "mean of 3 seeds"), ((5, 16), "mean of 5 to 16 seeds")]
)
def test_the_title_says_how_many_seeds_there_are(counts: tuple[int, int], said: str):
    figure = validation_of_networks([(f"of {count}", [RUN] * count) for count in counts], "Networks")
    assert figure.get_suptitle().startswith(f"Networks: {said}")
