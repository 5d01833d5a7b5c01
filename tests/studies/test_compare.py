"""``cifar-mlp compare``."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cifar_mlp.studies import compare_command, groups
from cifar_mlp.studies.difference import mcnemar, over_images, over_seeds
from cifar_mlp.studies.groups import Group
from cifar_mlp.studies.members import Seen


def planted(right: torch.Tensor, by_seed: dict[int, float]) -> Group:
    labels = torch.arange(len(right)) % 2
    images = torch.zeros(len(right), 1, 8, 8, dtype=torch.uint8)
    predicted = torch.where(right > 0.5, labels, 1 - labels)
    seen = Seen(torch.arange(len(right)), images, labels, torch.nn.functional.one_hot(predicted, 2).float())
    return Group("A", 1, seen, right.double(), by_seed, ["x", "y"])


def answers(*right: int) -> torch.Tensor:
    """Probabilities of two classes, for labels 0, 1, 0, ...: right where 1."""
    chosen = [label if is_right else 1 - label for is_right, label in zip(right, [0, 1] * 9, strict=False)]
    return torch.nn.functional.one_hot(torch.tensor(chosen), 2) * 0.8 + 0.1


def group_of(monkeypatch: pytest.MonkeyPatch, members: list[tuple[int, list[int], torch.Tensor]]) -> Group:
    """What is read of networks with these seeds, places and probabilities."""

    def each(*_: object) -> Iterator[tuple[SimpleNamespace, Seen]]:
        for seed, indices, probabilities in members:
            places = torch.tensor(indices)
            model = SimpleNamespace(class_names=["x", "y"])
            images = places.view(-1, 1, 1, 1).to(torch.uint8)
            yield (
                SimpleNamespace(data=SimpleNamespace(seed=seed), model=model),
                Seen(places, images, places % 2, probabilities),
            )

    monkeypatch.setattr(groups, "checkpoints_of", lambda path: [])
    monkeypatch.setattr(groups, "each", each)
    return groups.read_group(Path("study"), "validation")


def test_a_group_on_the_same_images(monkeypatch: pytest.MonkeyPatch):
    first, second, unsure = answers(1, 1, 0), answers(1, 0, 0), torch.tensor([[0.6, 0.4]] * 3)
    found = group_of(monkeypatch, [(3, [0, 1, 2], first), (5, [0, 1, 2], second)])
    assert found.right.tolist() == [1, 0.5, 0]
    assert found.by_seed == {3: pytest.approx(2 / 3), 5: pytest.approx(1 / 3)}
    assert found.runs == 2
    surer = group_of(monkeypatch, [(3, [0, 1, 2], unsure), (3, [0, 1, 2], first)])
    assert surer.predicted.tolist() == [0, 1, 1]  # of the mean probability
    assert surer.by_seed == {}  # which of the two would be paired?


def test_a_group_of_folds_is_put_in_order(monkeypatch: pytest.MonkeyPatch):
    found = group_of(monkeypatch, [(0, [2, 5], answers(1, 1)), (0, [0, 3], answers(1, 0))])
    assert found.seen.indices.tolist() == found.seen.images.flatten().tolist() == [0, 2, 3, 5]
    assert found.right.tolist() == [1, 1, 0, 1]
    assert found.seen.labels.tolist() == [0, 0, 1, 1]
    assert found.by_seed == {}
    with pytest.raises(ValueError, match="hold out sets of images that overlap"):
        group_of(monkeypatch, [(0, [0, 1], answers(1, 1)), (0, [0, 3], answers(1, 0))])


def test_what_is_written_of_the_differing_images(monkeypatch: pytest.MonkeyPatch):
    first, second = (planted(torch.tensor(right), {}) for right in ([1.0, 0, 1, 0.9], [1.0, 1, 0, 0.5]))
    third = first._replace(runs=2, by_seed={0: 1.0})
    groups = {"A": first, "B": second, "C": third}
    table = compare_command.report(groups, "test")
    for pair in ("A less B", "A less C", "B less C"):
        assert f"{pair}, over images like these" in table
    assert "With 3 pairs and 2 classes" in table
    assert re.search(r"\| x +\| +100\.0 +\| +50\.0 +\| +\+50\.0 ", table), table
    assert re.search(r"\| y +\| +45\.0 +\| +75\.0 +\| +-30\.0 ", table), table
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    places = torch.arange(10, 14)
    first, second = (
        group._replace(seen=group.seen._replace(images=images, indices=places)) for group in (first, second)
    )
    groups = {"A": first, "B": second}
    compare_command.write_differing(groups, Path("differences.csv"))
    rows = [line.split(",") for line in Path("differences.csv").read_text().splitlines()[1:]]
    assert rows == [
        ["11", "y", "x", "y", "0.00", "1.00"],
        ["12", "x", "x", "y", "1.00", "0.00"],
        ["13", "y", "y", "x", "0.90", "0.50"],
    ]
    drawn = {}

    def gallery(images: torch.Tensor, columns: int, title: str, captions: list, note: str) -> str:
        drawn[title] = images[:, 0, 0, 0].tolist(), [tuple(caption) for caption in captions]
        return title

    written = {}
    monkeypatch.setattr(compare_command, "gallery", gallery)
    monkeypatch.setattr(compare_command, "save_figure", lambda figure, path: written.update({path.name: figure}))
    for better, worse in ("AB", "BA"):
        compare_command.draw_differing(groups, better, worse, Path())
    assert written == {
        f"{a.lower()}_rather_than_{b.lower()}.png": f"Right in {a} rather than in {b}" for a, b in ("AB", "BA")
    }
    assert drawn["Right in A rather than in B"] == ([2, 3], [("x", "B: y"), ("y", "B: x")])
    assert drawn["Right in B rather than in A"] == ([1], [("y", "A: x")])


def test_each_network_is_asked_once_however_many_images_differ(monkeypatch: pytest.MonkeyPatch):
    asked: list[Group] = []
    of_group = Group.predicted.fget
    assert of_group is not None

    def predicted(group: Group) -> torch.Tensor:
        asked.append(group)
        return of_group(group)

    monkeypatch.setattr(Group, "predicted", property(predicted))
    monkeypatch.setattr(compare_command, "save_figure", lambda figure, path: None)
    groups = {"A": planted(torch.ones(9), {}), "B": planted(torch.zeros(9), {})}
    compare_command.write_differing(groups, Path("differences.csv"))
    assert len(asked) == 2
    compare_command.draw_differing(groups, "A", "B", Path())
    assert len(asked) == 3


def test_networks_whose_seeds_drew_other_images_are_not_taken_for_one_group(monkeypatch: pytest.MonkeyPatch):
    """Own images without a val/: each seed holds out the last images of an order of its own."""
    labels, probabilities = torch.arange(4) % 2, torch.eye(2)[torch.arange(4) % 2]

    def read(*levels: int) -> Group:
        images = [torch.full((4, 1, 8, 8), level, dtype=torch.uint8) for level in levels]
        unseen = [Seen(torch.arange(4), one, labels, probabilities) for one in images]
        model = SimpleNamespace(class_names=["x", "y"])
        members = [SimpleNamespace(data=SimpleNamespace(seed=seed), model=model) for seed in range(len(levels))]
        monkeypatch.setattr(groups, "checkpoints_of", lambda path: [path])
        monkeypatch.setattr(groups, "each", lambda paths, which: zip(members, unseen, strict=True))
        return groups.read_group(Path("study"), "validation")

    assert read(7, 7).by_seed == {0: 1.0, 1: 1.0}
    with pytest.raises(ValueError, match="overlap; compare them by --on test"):
        read(7, 8)


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
    with pytest.raises(SystemExit):
        compare_command.main([str(runs[0])])
    assert "give two RUNs or more, at most 26, not 1" in capsys.readouterr().err
    Path("comparison").mkdir()
    Path("comparison/c_rather_than_a.png").touch()  # of an earlier comparison
    compare_command.main([*map(str, runs), "--on", "test"])
    assert not Path("comparison/c_rather_than_a.png").exists()
    printed = capsys.readouterr().out
    assert "# test: 270 images" in printed
    assert "McNemar's exact test" in printed
    rows = list(csv.DictReader(Path("comparison/differences.csv").read_text().splitlines()))
    assert rows
    assert all((row["class"] == row["A predicts"]) != (row["class"] == row["B predicts"]) for row in rows)
    better = [float(row["A, share right"]) - float(row["B, share right"]) for row in rows]
    alone = [sum(gap == sign for gap in better) for sign in (1, -1)]
    assert f"right in A alone {alone[0]}, in B alone {alone[1]}:" in printed
    for name, count in zip(("a_rather_than_b", "b_rather_than_a"), alone, strict=True):
        assert Path(f"comparison/{name}.png").is_file() == (count > 0)


@pytest.mark.long
def test_groups_must_have_held_out_the_same_images(
    trained: Callable[[str], Path],
    cross_validation: Path,
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(SystemExit):
        compare_command.main([str(trained("linear")), str(cross_validation)])
    assert "do not have the same validation images (270 and 1,527)" in capsys.readouterr().err
    assert not Path("comparison").exists()
    with pytest.raises(SystemExit):
        compare_command.main([str(cross_validation / "ensemble.ckpt")] * 2)
    assert "its members were trained on these images: compare on test images" in capsys.readouterr().err
    compare_command.main([str(cross_validation), str(cross_validation)])
    assert "A less B, over images like these: +0.00 points" in capsys.readouterr().out
