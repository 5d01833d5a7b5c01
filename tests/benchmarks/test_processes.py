"""How the work grows with processes, from made-up measurements."""

import pytest

from cifar_mlp.benchmarks.processes import drawn, ratios
from cifar_mlp.pictures.style import pixels

SECONDS = {"ddp": {1: [10.0, 100.0, 30.0], 2: [8.0, 50.0, 20.0]}, "workers": {1: [4.0], 2: [2.0]}}


def test_ratios_are_of_one_round_each_and_drawn_beside_proportion():
    assert ratios(SECONDS["ddp"]) == pytest.approx({1: 1.0, 2: 1.5})
    figure = drawn({"seconds": SECONDS, "environment": {"cpu": "a CPU", "cores": 2}})
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines["in proportion"] == [1, 2]
    assert lines["one training, epochs a minute"] == pytest.approx([1.0, 1.5])
    assert lines["separate trainings, runs a minute"] == pytest.approx([1.0, 2.0])
    assert figure.axes[0].get_title() == "a CPU, 2 cores"
    assert pixels(figure).std() > 5
