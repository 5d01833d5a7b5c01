"""A terminal gets a bar, a log file gets lines."""

import sys
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import RichProgressBar

from cifar_mlp.callbacks.progress import EpochLines, SparingProgressBar
from cifar_mlp.cli import run

RUN = ["fit", "--data.batch_size", "8", "--data.n_components", "5", "--model.hidden_sizes", "[4]"]
RUN += ["--trainer.max_epochs", "2", "--views.all", "false"]


def test_the_bar_is_updated_every_25_steps(small_cifar: Path, monkeypatch: pytest.MonkeyPatch):
    updates: list[int] = []
    monkeypatch.setattr(RichProgressBar, "on_train_batch_end", lambda *given: updates.append(given[-1] + 1))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    trainer = run(RUN).trainer
    assert isinstance(trainer.progress_bar_callback, SparingProgressBar)
    assert trainer.progress_bar_callback.refresh_rate == 4  # draws per second
    assert trainer.num_training_batches == 32
    assert updates == [25, 32, 25, 32]


def test_a_log_file_gets_a_line_for_each_epoch(small_cifar: Path, capsys: pytest.CaptureFixture[str]):
    assert isinstance(run(RUN).trainer.progress_bar_callback, EpochLines)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert all("train/loss" in line and "val/accuracy" in line for line in lines)


def test_the_bar_counts_epochs_from_one_and_shows_loss_and_accuracy(
    small_cifar: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    described, updated = [], []
    monkeypatch.setattr(SparingProgressBar, "_add_task", lambda bar, total, text, visible=True: described.append(text))
    monkeypatch.setattr(
        SparingProgressBar, "_update_metrics", lambda bar, *given: updated.append(bar.get_metrics(*given))
    )
    trainer = run(RUN).trainer
    bar = trainer.progress_bar_callback
    assert "Epoch 1/2" in {text.strip() for text in described}
    assert bar._get_train_description(1).strip() == "Epoch 2/2"
    assert updated[0] == {}  # nothing before the first epoch's end: it must not wait for a GPU
    assert updated[-1] == {name: float(trainer.callback_metrics[name]) for name in ("train/loss", "val/accuracy")}
    assert [column.bar_width for column in bar.configure_columns(trainer) if hasattr(column, "bar_width")] == [20]
