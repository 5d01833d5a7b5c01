"""``cifar-mlp compare``."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cifar_mlp.studies import compare_command
from cifar_mlp.studies.difference import mcnemar, over_images, over_seeds
from cifar_mlp.studies.groups import Group


def planted(right: torch.Tensor, by_seed: dict[int, float]) -> Group:
    labels = torch.arange(len(right)) % 2
    images = torch.zeros(len(right), 1, 8, 8, dtype=torch.uint8)
    predicted = torch.where(right > 0.5, labels, 1 - labels)
    return Group("A", 1, torch.arange(len(right)), images, labels, right.double(), predicted, by_seed, ["x", "y"])


def test_mcnemar_counts_the_images_on_which_they_differ():
    first = torch.tensor([1, 1, 1, 1, 1, 0, 0, 1])
    second = torch.tensor([0, 0, 0, 0, 0, 1, 0, 1])
    # 1 or fewer, or 5 or more, of 6 fair coins
    assert mcnemar(first, second) == (5, 1, pytest.approx(2 * (1 + 6) / 64))
    assert mcnemar(first, first).p_value == 1


def test_the_intervals():
    generator = torch.Generator().manual_seed(0)
    first, second = ((torch.rand(4_000, generator=generator) < share).double() for share in (0.6, 0.5))
    found = over_images(first, second)
    error = 100 * float((first - second).std()) / 4_000**0.5
    assert found.mean == pytest.approx(100 * float((first - second).mean()))
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.2 * error)
    groups = [planted(first[:4], {1: 0.5, 2: 0.6, 3: 0.9}), planted(first[:4], {1: 0.4, 2: 0.4, 7: 0.1})]
    seeds = over_seeds(*groups)
    assert seeds is not None
    assert seeds.mean == pytest.approx(15)
    assert seeds.high - seeds.mean == pytest.approx(12.706 * 5, rel=1e-3)  # Student, one degree of freedom
    assert over_seeds(groups[0], planted(first[:4], {})) is None


def test_two_runs_are_compared(trained: Callable[[str], Path], capsys: pytest.CaptureFixture[str]):
    runs = [trained("whitened").parent.parent, trained("linear")]
    Path("taken").touch()
    with pytest.raises(SystemExit):
        compare_command.main([*map(str, runs), "--output", "taken"])
    assert "--output taken is a file: name a folder" in capsys.readouterr().err
    compare_command.main([*map(str, runs), "--on", "test"])
    printed = capsys.readouterr().out
    assert "# test: 270 images" in printed
    assert "McNemar's exact test" in printed
    rows = list(csv.DictReader(Path("comparison/differences.csv").read_text().splitlines()))
    assert rows
    assert all((row["class"] == row["A predicts"]) != (row["class"] == row["B predicts"]) for row in rows)
    better = [float(row["A, share right"]) - float(row["B, share right"]) for row in rows]
    alone = [sum(gap == sign for gap in better) for sign in (1, -1)]
    assert f"right in A alone {alone[0]}, in B alone {alone[1]}:" in printed
    for letter, count in zip("ab", alone, strict=True):
        assert Path(f"comparison/better_in_{letter}.png").is_file() == (count > 0)


@pytest.mark.slow
def test_groups_must_have_held_out_the_same_images(
    trained: Callable[[str], Path],
    cross_validation: Path,
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(SystemExit):
        compare_command.main([str(trained("linear")), str(cross_validation)])
    assert "did not hold out the same images (270 and 1,527)" in capsys.readouterr().err
    assert not Path("comparison").exists()
    compare_command.main([str(cross_validation), str(cross_validation)])
    assert "A less B, over images like these: +0.00 points" in capsys.readouterr().out
