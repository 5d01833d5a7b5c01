"""Every hook and option of Lightning is in a table: the fast loop honours it, or gives way to Lightning's own loop."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import SingleDeviceStrategy

from cifar_mlp.training.loop_choice import use_fast_loop
from tests.training.two_loops import Calls, Small, fit, loader, recording

# By class, the hooks that a fit calls, those that make the fast loop give way, and public names that are no hooks of
# a fit. A name of a newer Lightning that is missing here fails the test below.
HONOURED = {
    Callback: """setup teardown on_fit_start on_fit_end on_sanity_check_start on_sanity_check_end on_train_start
        on_train_end on_train_epoch_start on_train_epoch_end on_train_batch_start on_train_batch_end
        on_validation_start on_validation_end on_validation_epoch_start on_validation_epoch_end
        on_validation_batch_start on_validation_batch_end on_before_zero_grad on_before_backward on_after_backward
        on_before_optimizer_step on_exception on_save_checkpoint on_load_checkpoint state_dict load_state_dict""",
    LightningModule: """setup teardown on_fit_start on_fit_end on_train_start on_train_end on_train_epoch_start
        on_train_epoch_end on_train_batch_start on_train_batch_end on_validation_start on_validation_end
        on_validation_epoch_start on_validation_epoch_end on_validation_batch_start on_validation_batch_end
        on_validation_model_eval on_validation_model_train on_validation_model_zero_grad on_before_zero_grad
        on_before_backward on_after_backward on_before_optimizer_step on_before_batch_transfer
        transfer_batch_to_device on_after_batch_transfer on_save_checkpoint on_load_checkpoint backward
        configure_callbacks configure_gradient_clipping clip_gradients configure_model configure_optimizers
        lr_scheduler_step optimizer_zero_grad prepare_data train_dataloader val_dataloader training_step
        validation_step""",
    LightningDataModule: """setup teardown prepare_data train_dataloader val_dataloader on_before_batch_transfer
        transfer_batch_to_device on_after_batch_transfer on_exception state_dict load_state_dict""",
}
GIVES_WAY = {LightningModule: "optimizer_step"}
NOT_IN_A_FIT = {
    Callback: """on_test_start on_test_end on_test_epoch_start on_test_epoch_end on_test_batch_start on_test_batch_end
        on_predict_start on_predict_end on_predict_epoch_start on_predict_epoch_end on_predict_batch_start
        on_predict_batch_end""",
    LightningModule: """on_test_start on_test_end on_test_epoch_start on_test_epoch_end on_test_batch_start
        on_test_batch_end on_test_model_eval on_test_model_train on_predict_start on_predict_end
        on_predict_epoch_start on_predict_epoch_end on_predict_batch_start on_predict_batch_end on_predict_model_eval
        test_step predict_step test_dataloader predict_dataloader all_gather configure_sharded_model freeze unfreeze
        load_from_checkpoint log log_dict lr_schedulers manual_backward optimizers print remove_ignored_hparams
        save_hyperparameters to_onnx to_tensorrt to_torchscript toggle_optimizer toggled_optimizer
        untoggle_optimizer""",
    LightningDataModule: """test_dataloader predict_dataloader from_datasets load_from_checkpoint
        remove_ignored_hparams save_hyperparameters""",
}


class OwnStrategy(SingleDeviceStrategy):
    """A strategy that might do anything."""


class OwnPrecision(Precision):
    """A precision that might do anything."""


# Each option of the trainer with values, and the reason why Lightning's own loop runs, or None.
OPTIONS: list[tuple[str, Any, str | None]] = [
    ("accelerator", "cpu", None),
    ("strategy", "auto", None),
    ("strategy", OwnStrategy, "strategy OwnStrategy"),
    ("devices", 1, None),
    ("devices", 2, "strategy DDPStrategy"),
    ("num_nodes", 1, None),
    ("num_nodes", 2, "strategy DDPStrategy"),
    ("precision", "32-true", None),
    ("precision", "bf16-mixed", None),
    ("precision", "64-true", "precision 64-true"),
    ("precision", "bf16-true", "precision bf16-true"),
    ("logger", False, None),
    ("callbacks", lambda: [EarlyStopping("val", patience=1, min_delta=9.0)], None),
    ("fast_dev_run", 3, None),
    ("max_epochs", 1, None),
    ("min_epochs", 2, None),
    ("max_steps", 5, None),
    ("min_steps", 6, None),
    ("max_time", "00:00:00:00", None),
    ("limit_train_batches", 3, None),
    ("limit_val_batches", 1, None),
    ("limit_test_batches", 1, None),
    ("limit_predict_batches", 1, None),
    ("overfit_batches", 2, None),
    ("val_check_interval", 3, None),
    ("val_check_interval", "00:00:00:00", None),
    ("check_val_every_n_epoch", 2, None),
    ("num_sanity_val_steps", 2, None),
    ("log_every_n_steps", 3, None),
    ("enable_checkpointing", True, None),
    ("enable_progress_bar", True, None),
    ("enable_model_summary", True, None),
    ("accumulate_grad_batches", 2, "accumulate_grad_batches 2"),
    ("gradient_clip_val", 0.1, None),
    ("gradient_clip_algorithm", "value", None),
    ("deterministic", True, None),
    ("benchmark", True, None),
    ("inference_mode", False, None),
    ("use_distributed_sampler", False, None),
    ("profiler", PassThroughProfiler(), None),
    ("profiler", "simple", "profiler SimpleProfiler"),
    ("detect_anomaly", True, None),
    ("barebones", True, None),
    ("plugins", OwnPrecision, "precision 32-true"),
    ("plugins", MixedPrecision("16-mixed", "cpu"), "precision 16-mixed"),
    ("sync_batchnorm", True, None),
    ("reload_dataloaders_every_n_epochs", 1, None),
    ("default_root_dir", "elsewhere", None),
    ("enable_autolog_hparams", False, None),
    ("model_registry", "a-name", None),
]


def public(kind: type) -> set[str]:
    """Names that a class of Lightning offers for overriding."""
    of_torch = set(dir(torch.nn.Module)) if kind is LightningModule else set()
    return {name for name in dir(kind) if name[0] != "_" and callable(getattr(kind, name))} - of_torch


def readable(given: object) -> str:
    """The same name in every process, which an object's own representation is not."""
    plain = isinstance(given, str | int | float | dict | list | None)
    return str(given) if plain else getattr(given, "__name__", type(given).__name__)


@pytest.mark.parametrize("kind", HONOURED)
def test_the_table_names_every_hook(kind: type):
    verdicts = [table.get(kind, "").split() for table in (HONOURED, GIVES_WAY, NOT_IN_A_FIT)]
    named = [name for verdict in verdicts for name in verdict]
    assert sorted(named) == sorted(public(kind))


def test_the_table_names_every_option():
    assert {option for option, _, _ in OPTIONS} == set(inspect.signature(Trainer).parameters)


class Data(LightningDataModule):
    """The module's loaders, and a transfer that changes the batch."""

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return [10 * part for part in super().transfer_batch_to_device(batch, device, dataloader_idx)]

    def train_dataloader(self) -> Any:
        return loader()

    def val_dataloader(self) -> Any:
        return loader(4, seed=1)

    def state_dict(self) -> dict[str, Any]:
        return {"some": 1}


class Stateful(Callback):
    """A callback whose state is saved."""

    def state_dict(self) -> dict[str, Any]:
        return {"some": 1}


class Failing(Small):
    """A module that stops in the second epoch."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.current_epoch == 1 and batch_idx == 2:
            raise RuntimeError("stopped")


def recorded_fit(folder: Path, fast: bool, kind: type, with_data: bool, **options: Any) -> tuple[Calls, dict[str, Any]]:
    calls: Calls = []
    module: Any = recording(kind, set(HONOURED[LightningModule].split()), calls)()
    callback: Any = recording(Stateful, set(HONOURED[Callback].split()), calls)()
    data: Any = recording(Data, set(HONOURED[LightningDataModule].split()), calls)() if with_data else None
    return calls, fit(folder, fast, module, data, [callback], num_sanity_val_steps=1, gradient_clip_val=0.5, **options)


@pytest.mark.parametrize("with_data", [False, True])
def test_every_honoured_hook_gets_the_same_calls(tmp_path: Path, with_data: bool):
    seen: set[tuple[str, str]] = set()
    whole = str(tmp_path / "own whole" / "end.ckpt")
    for name, kind, options in (
        ("whole", Small, {}),
        ("resumed", Small, {"max_epochs": 3, "ckpt_path": whole}),
        ("failing", Failing, {}),
    ):
        expected, left = recorded_fit(tmp_path / f"own {name}", False, kind, with_data, **options)
        calls, found = recorded_fit(tmp_path / f"fast {name}", True, kind, with_data, **options)
        assert calls == expected
        assert found.pop("steps") == {"whole": 8, "resumed": 4, "failing": 6}[name]
        assert found == {part: value for part, value in left.items() if part != "steps"}
        seen |= {call[:2] for call in calls}
    kinds = {"Stateful": Callback, "Small": LightningModule, "Failing": LightningModule, "Data": LightningDataModule}
    used = {kind for kind in HONOURED if with_data or kind is not LightningDataModule}
    missing = {kind: set(HONOURED[kind].split()) - {hook for who, hook in seen if kinds[who] is kind} for kind in used}
    if with_data:  # then the data module's loaders and transfer are used
        missing[LightningModule] -= {"train_dataloader", "val_dataloader", "transfer_batch_to_device"}
        missing[LightningModule] -= {"on_before_batch_transfer", "on_after_batch_transfer"}
    assert not any(missing.values()), missing


@pytest.mark.parametrize("hook", [(kind, hook) for kind, hooks in GIVES_WAY.items() for hook in hooks.split()])
@pytest.mark.parametrize("on_instance", [False, True])
def test_other_hooks_make_it_give_way(hook: tuple[type, str], on_instance: bool, tmp_path: Path):
    name = hook[1]
    module: Any = Small() if on_instance else recording(Small, {name}, [])()
    if on_instance:
        setattr(module, name, lambda *given, **named: None)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=tmp_path)
    own = trainer.fit_loop.epoch_loop
    assert use_fast_loop(trainer, module) == f"Small overrides {name}"
    assert trainer.fit_loop.epoch_loop is own


@pytest.mark.parametrize(("option", "value", "reason"), OPTIONS, ids=readable)
def test_every_option_is_honoured_or_makes_it_give_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: Any, reason: str | None
):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic would set it
    if reason is not None:
        made = value() if callable(value) else value
        trainer = Trainer(**{"accelerator": "cpu", "logger": False, option: made})
        own = trainer.fit_loop.epoch_loop
        assert use_fast_loop(trainer, Small()) == reason
        assert trainer.fit_loop.epoch_loop is own
        return
    besides: dict[str, dict[str, Any]] = {
        "gradient_clip_algorithm": {"gradient_clip_val": 0.1},
        "check_val_every_n_epoch": {"max_epochs": 3},
        "max_time": {"min_epochs": 1},
    }
    deterministic = torch.are_deterministic_algorithms_enabled()
    own_left, fast_left = {}, {}
    for fast, left in ((False, own_left), (True, fast_left)):
        options = {**besides.get(option, {}), option: value() if callable(value) else value}
        left |= fit(tmp_path / str(fast), fast, Small(), **options)
    torch.use_deterministic_algorithms(deterministic)
    assert fast_left.pop("steps") > 0
    del own_left["steps"]
    assert own_left["error"] == "None"
    assert fast_left == own_left
