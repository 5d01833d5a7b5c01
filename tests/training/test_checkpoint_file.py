"""A checkpoint file is complete or not replaced, and a changed bit in it is found."""

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from cifar_mlp.cli import CommandLine, run
from cifar_mlp.models import Classifier
from cifar_mlp.training.checkpoint import option_defaults, read_checkpoint

SMALL = ["--data.source", "digits", "--model.hidden_sizes", "[8]", "--views.all", "false"]
SMALL += ["--trainer.max_epochs", "1", "--trainer.enable_model_summary", "false", "--trainer.accelerator", "cpu"]


def trained(*options: str) -> tuple[CommandLine, Path]:
    command = run(["fit", *SMALL, *options])
    return command, Path(command.trainer.log_dir or "") / "checkpoints" / "last.ckpt"


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[name], second[name]) for name in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second or first != first)


def test_no_changed_bit_gives_other_numbers():
    path = trained()[1]
    content, good = path.read_bytes(), torch.load(path, weights_only=True)
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)
    damaged = Path("damaged.ckpt")
    messages = []
    for _ in range(150):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        damaged.write_bytes(changed)
        try:
            assert same(good, read_checkpoint(str(damaged)))
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 75
    assert all("damaged.ckpt" in message for message in messages)


@pytest.mark.parametrize(
    "damage", ["zeros", "cut", "weights only", "no state_dict", "a list", "a zip", "text", "empty"]
)
def test_what_is_no_whole_checkpoint_is_refused_in_one_line(damage: str):
    path = trained()[1]
    content = path.read_bytes()
    good = torch.load(path, weights_only=True)
    middle = len(content) // 2
    if damage in ("zeros", "cut", "text", "empty"):
        changed = {
            "zeros": content[:middle] + bytes(4096) + content[middle + 4096 :],
            "cut": content[:middle],
            "text": b"weights",
            "empty": b"",
        }
        path.write_bytes(changed[damage])
    elif damage == "a zip":
        torch.save({}, "other")
        path.write_bytes(Path("other").read_bytes())
    else:
        without = {name: value for name, value in good.items() if name != "state_dict"}
        torch.save({"weights only": good["state_dict"], "no state_dict": without, "a list": [1, 2]}[damage], path)
    for command in ("test", "fit"):
        with pytest.raises(ValueError, match=r"last\.ckpt") as caught:
            run([command, "--ckpt_path", str(path), "--trainer.accelerator", "cpu"])
        assert "\n" not in str(caught.value)


def test_load_from_checkpoint_and_the_trainer_check_too():
    command, path = trained()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged"):
        Classifier.load_from_checkpoint(path)
    with pytest.raises(ValueError, match=r"last\.ckpt is damaged"):
        command.trainer.test(command.model, command.datamodule, ckpt_path=path, verbose=False)


def test_a_checkpoint_in_the_former_format_still_loads():
    path = trained()[1]
    content = torch.load(path, weights_only=True)
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert isinstance(Classifier.load_from_checkpoint(path), Classifier)


@pytest.mark.parametrize("writer", ["torch.save", "fsync"])
def test_a_full_disk_leaves_the_checkpoint_of_before(monkeypatch: pytest.MonkeyPatch, writer: str):
    monkeypatch.setenv("TMPDIR", str(Path("no such folder")))  # a writer that goes through it would fail
    command, path = trained()
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch if writer == "torch.save" else os, writer.split(".")[-1].replace("torch", ""), full)
    with pytest.raises(OSError, match=r"last\.ckpt cannot be written .* MiB are free") as caught:
        command.trainer.save_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize("gradients", ["autograd", "hand"])
def test_a_training_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(gradients: str):
    path = trained("--model.gradients", gradients, "--model.optimizer", "SGD")[1]
    before = path.read_bytes()
    mine = ["--trainer.callbacks+", "ModelCheckpoint", "--trainer.callbacks.every_n_train_steps", "1"]
    more = ["--trainer.max_epochs", "3", "--model.optimizer.lr", "1e30", *mine, "--trainer.callbacks.filename", "mine"]
    with pytest.raises(ValueError, match=r"not finite at step \d+ .*learning rate 1e\+30.*last good.*\.ckpt"):
        run(["fit", "--ckpt_path", str(path), "--views.all", "false", *more])
    assert path.read_bytes() == before
    for file in path.parent.glob("*.ckpt"):
        assert all(not value.isnan().any() for value in read_checkpoint(str(file))["state_dict"].values())


def test_only_a_checkpoint_of_this_run_is_called_its_last_good_one():
    elsewhere = ["--trainer.default_root_dir", "elsewhere", "--trainer.max_epochs", "3", "--model.optimizer.lr", "1e30"]
    with pytest.raises(ValueError, match="the last good checkpoint is elsewhere"):
        run(["fit", "--ckpt_path", str(trained()[1]), "--views.all", "false", *elsewhere])


def test_a_network_that_answers_what_is_no_number_is_refused():
    path = trained()[1]
    content = torch.load(path, weights_only=True)
    content["state_dict"]["network.output.bias"][3] = float("nan")
    torch.save(content, path)
    for command in ("validate", "test", "predict"):
        with pytest.raises(ValueError, match="not finite"):
            run([command, "--ckpt_path", str(path), "--trainer.accelerator", "cpu"])
    assert not Path("predictions.csv").exists()


def test_a_users_checkpoints_go_through_the_same_writer(monkeypatch: pytest.MonkeyPatch):
    command, path = trained()
    replaced: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (replaced.append(str(target)), replace(self, target))[1])
    ModelCheckpoint(dirpath=path.parent)._save_checkpoint(command.trainer, str(path.parent / "mine.ckpt"))
    assert replaced == [str(path.parent / "mine.ckpt")]


def test_a_folder_in_which_nothing_can_be_read_is_refused_after_its_rows():
    path = trained()[1]
    Path("photos").mkdir()
    os.mkfifo("photos/pipe.png")
    Path("photos/phone.heic").write_bytes(b"no image")
    with pytest.raises(ValueError, match="no file could be read"):
        run(["predict", "--ckpt_path", str(path), "--data.predict_path", "photos", "--trainer.accelerator", "cpu"])
    assert len(Path("predictions.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(("source", "root", "kept"), [
    ("cifar10", "set.tar.gz", True), ("cifar10", "gone", False), ("folder", "gone", True),
])  # fmt: skip
def test_a_checkpoint_s_root_is_kept_in_any_form(source: str, root: str, kept: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CIFAR10_ROOT", raising=False)
    Path("set.tar.gz").touch()
    defaults = option_defaults({"datamodule_hyper_parameters": {"source": source, "root": root}}, training=False)
    assert ("data.root" in defaults) == kept
