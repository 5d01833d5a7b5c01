"""Validation and test see each image once, on any number of processes: counted, image by image."""

import json
from pathlib import Path

import pytest

from cifar_mlp.cli import run
from tests.training.killed import ended
from tests.training.several import start_together, validate_and_test

DIGITS = ["--data.source", "digits", "--model.hidden_sizes", "[8]", "--views.all", "false"]
SIZES = {"val": 997, "test": 269}  # neither 2 nor 3 divides them


@pytest.mark.slow
def test_each_image_is_evaluated_once_on_one_two_and_three_processes(own_home: Path):
    options = ["--data.val_size", str(SIZES["val"]), "--data.test_size", str(SIZES["test"])]
    run(["fit", *DIGITS, *options, "--trainer.max_epochs", "1", "--trainer.precision", "32-true"])
    checkpoint = str(next(own_home.rglob("last.ckpt")))
    alone: dict[str, tuple[list[str], dict[str, float]]] = {}
    for count in (1, 2, 3):
        folder = own_home / f"on_{count}"
        processes = start_together(["--ckpt_path", checkpoint, *options], folder, count, validate_and_test)
        assert [ended(process) for process in processes] == [0] * count, (folder / "output.txt").read_text()
        for part, size in SIZES.items():
            seen = [(folder / f"{part}_images_{rank}.txt").read_text().splitlines() for rank in range(count)]
            assert max(map(len, seen)) - min(map(len, seen)) <= 1
            images = sorted(line for lines in seen for line in lines)
            assert sorted(int(line.split()[0]) for line in images) == list(range(size))
            metrics = json.loads((folder / f"{part}_metrics.json").read_text())
            expected = alone.setdefault(part, (images, metrics))
            assert images == expected[0]
            assert metrics.keys() == expected[1].keys()
            for name, value in metrics.items():
                exact = name.endswith("accuracy")
                assert value == (expected[1][name] if exact else pytest.approx(expected[1][name], rel=1e-5)), name
