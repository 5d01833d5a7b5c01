"""The first line of a run says which loop runs and why; an untested Lightning keeps its own loop."""

import os
import sys
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from cifar_mlp.callbacks.run_record import records
from cifar_mlp.cli import run
from cifar_mlp.training.loop_choice import GPU_SEARCH, skip_gpu_search, use_fast_loop
from cifar_mlp.training.loop_obstacles import HOOK_LOG, TESTED_LIGHTNING, obstacle
from tests.training.two_loops import Small

RUN = ["fit", "--data.batch_size", "20", "--data.n_components", "12", "--model.hidden_sizes", "[16]"]
RUN += ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.precision", "32-true"]


def trainer(**options: Any) -> Trainer:
    return Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, max_epochs=1, **options)


@pytest.mark.parametrize(
    ("arguments", "loop"),
    [
        ([], "fast loop"),
        (["--fast_loop", "false"], "Lightning's own loop (--fast_loop false)"),
        (["--trainer.gradient_clip_val", "1.0"], "fast loop"),
        (["--model.optimizer", "LBFGS"], "fast loop"),
        (["--trainer.accumulate_grad_batches", "2"], "Lightning's own loop (accumulate_grad_batches 2)"),
        (["--trainer.profiler", "simple"], "Lightning's own loop (profiler SimpleProfiler)"),
    ],
)
def test_the_first_line_says_which_loop_runs(
    small_cifar: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], loop: str
):
    made = run([*RUN, *arguments]).trainer
    out = capsys.readouterr().out
    gradients = "hand-derived gradients, matmuls by PyTorch"  # too small to choose a library
    assert out.splitlines()[0].endswith(f"precision 32-true, seed 0, {gradients}, {loop}")
    (record,) = records(Path(made.log_dir))
    assert (record["gradients"], record["loop"]) == (gradients, loop)
    assert (type(made.fit_loop.epoch_loop).__name__ == "FastEpochLoop") == (loop == "fast loop")
    assert made.global_step > 0


def test_the_libraries_of_the_matmuls_are_in_the_first_line_the_record_and_the_next_run(
    small_cifar: Path, capsys: pytest.CaptureFixture[str]
):
    wide = [*RUN, "--data.n_components", "200", "--model.hidden_sizes", "[100]"]
    first, second = (run(wide).model for _ in range(2))
    assert " of 2 matmuls by oneDNN (the faster ones here), fast loop" in capsys.readouterr().out.splitlines()[0]
    assert first.decided_matmuls == second.decided_matmuls
    (record,) = records(Path(first.trainer.log_dir))
    assert record["matmuls"] == first.decided_matmuls
    assert set(record["matmuls"]) == {"forward 100 x 200 float32", "weight 100 x 200 float32"}
    forced = run([*wide, "--model.matmuls", "onednn", "--trainer.fast_dev_run", "1"]).model
    assert set(forced.decided_matmuls.values()) == {"onednn"}
    run([*wide, "--model.gradients", "autograd", "--trainer.fast_dev_run", "1"])
    assert "gradients by autograd (--model.gradients autograd), fast loop" in capsys.readouterr().out


class Iterating(Small):
    """A training step that fetches its batches itself."""

    def training_step(self, dataloader_iter: Any) -> Any:
        return self.loss(next(dataloader_iter)[0])


def test_a_step_that_fetches_its_batches_keeps_lightning_s_loop():
    assert use_fast_loop(trainer(), Iterating()) == "training_step takes dataloader_iter"


@pytest.mark.filterwarnings("ignore")
def test_a_debug_log_of_hooks_keeps_lightning_s_loop(caplog: pytest.LogCaptureFixture):
    made = trainer()
    with caplog.at_level("DEBUG", HOOK_LOG):
        assert use_fast_loop(made, Small()) == f"debug log of {HOOK_LOG}"
        made.fit(Small())
    assert "calling callback hook: on_after_backward" in caplog.text


def test_a_wrapped_module_counts_once_fit_has_begun():
    made, module = trainer(), Small()
    assert obstacle(made, module) is None
    made.strategy.connect(module)
    assert obstacle(made, module) is None
    made.strategy.model = torch.nn.Sequential(module)
    assert obstacle(made, module) == "the module is wrapped in Sequential"


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_that_has_trained_continues_from_its_counts():
    made, module = trainer(), Small()
    made.fit(module)
    steps = made.global_step
    made.fit_loop.max_epochs = 2
    assert use_fast_loop(made, module) is None
    made.fit(module)
    assert (steps, made.global_step, made.current_epoch) == (4, 8, 2)


# Private names: in the tested versions they are there, in others nothing needs them.


def test_the_installed_lightning_is_tested():
    assert lightning.__version__ in TESTED_LIGHTNING, "run this folder's tests with it, then add it to the tuple"


@pytest.mark.filterwarnings("ignore")
def test_another_lightning_without_those_names_trains(monkeypatch: pytest.MonkeyPatch):
    module: LightningModule = Small()
    before = module.state_dict()["layer.weight"].clone()
    made = trainer(enable_progress_bar=False)
    own = made.fit_loop.epoch_loop
    monkeypatch.setattr(lightning, "__version__", "9.9.9")
    monkeypatch.setitem(sys.modules, "cifar_mlp.training.fast_loop", None)  # importing it fails
    assert use_fast_loop(made, module) == "Lightning 9.9.9 is not tested"
    made.fit(module)
    assert made.fit_loop.epoch_loop is own
    assert made.global_step == 4
    assert not torch.equal(module.state_dict()["layer.weight"], before)


def gpu_searches(steps: int) -> list[int]:
    """One entry for each time that a step of Adam counts GPUs."""
    found: list[int] = []
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    optimizer = torch.optim.Adam([parameter], fused=True)
    count = torch.cuda.device_count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "device_count", lambda: (found.append(1), count())[1])
        for _ in range(steps):
            optimizer.step()
    return found


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to find")
@pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="this PyTorch never looks for a GPU")
def test_no_step_on_the_cpu_searches_for_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(GPU_SEARCH, "1")  # as importing Lightning does
    assert len(gpu_searches(3)) == 3, "else there is nothing to skip"
    use_fast_loop(trainer(), Small())
    assert not gpu_searches(3)


def test_where_there_is_a_gpu_nothing_changes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(GPU_SEARCH, "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    skip_gpu_search()
    assert os.environ[GPU_SEARCH] == "1"
