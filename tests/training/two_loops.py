"""Fit the same small module with the fast loop and with Lightning's own, and record all that can be seen."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from cifar_mlp.training.fast_loop import FastEpochLoop
from cifar_mlp.training.loop_choice import use_fast_loop

Calls = list[tuple[Any, ...]]
ADDED = ("metrics", "gradients")


def loader(batch_size: int = 2, seed: int = 0) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(seed)
    inputs, labels = (torch.randn(8, size, generator=generator) for size in (3, 1))
    return DataLoader(TensorDataset(inputs, labels), batch_size)


class Small(LightningModule):
    """Four training batches and two validation batches an epoch, values logged in every way."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Linear(3, 1)

    def loss(self, batch: Any) -> Tensor:
        inputs, labels = batch
        return (self.layer(inputs) - labels).square().mean()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        if not self.trainer.barebones:
            self.log("train", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("val", self.loss(batch))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), 0.1, fused=True)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def train_dataloader(self) -> Any:
        return loader()

    def val_dataloader(self) -> Any:
        return loader(4, seed=1)


def of_lightning(state: dict[str, Any]) -> dict[str, Any]:
    """Without what our loops add to the epoch loop's state: the last metrics and the gradients between two steps."""
    return {name: part for name, part in state.items() if name not in ADDED or "_batches_that_stepped" not in state}


def described(value: Any, folder: Path | None = None) -> Any:
    """A value as something that can be compared, without the folder that it names."""
    if isinstance(value, Tensor):
        return value.detach().float().tolist()
    if isinstance(value, dict):
        return {str(name): described(part, folder) for name, part in of_lightning(value).items()}
    if isinstance(value, list | tuple):
        return [described(part, folder) for part in value]
    if isinstance(value, str | Path) and folder is not None:
        return str(value).replace(str(folder), "")
    return value if isinstance(value, int | float | str | bool | None) else type(value).__name__


def recording(kind: type, hooks: set[str], calls: Calls) -> type:
    """A subclass that records each call of these hooks and then does what its parent does."""

    def make(hook: str) -> Callable[..., Any]:
        def recorded(self: Any, *arguments: Any, **named: Any) -> Any:
            module = next((each for each in arguments if isinstance(each, LightningModule)), self)
            name, trainer = getattr(module, "_current_fx_name", None), getattr(module, "_trainer", None)
            counts = (trainer.global_step, trainer.current_epoch, trainer.is_last_batch) if trainer else ()
            calls.append((kind.__name__, hook, name, counts, described(arguments), described(named)))
            return getattr(super(recording_class, self), hook)(*arguments, **named)

        return recorded

    recording_class: Any = type(kind.__name__, (kind,), {hook: make(hook) for hook in hooks})
    return recording_class


def fit(
    folder: Path,
    fast: bool,
    module: LightningModule,
    data: LightningDataModule | None = None,
    callbacks: list[Callback] | None = None,
    prepare: Callable[[Trainer], None] | None = None,
    ckpt_path: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """What a fit leaves behind; ``steps`` counts those that the fast loop took."""
    plain: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    plain |= {"max_epochs": 2, "num_sanity_val_steps": 0, "log_every_n_steps": 1, "accelerator": "cpu", "devices": 1}
    if options.get("barebones"):
        plain = {"max_epochs": 2, "accelerator": "cpu", "devices": 1}
    elif "logger" not in options:
        options["logger"] = CSVLogger(folder)
    plain["enable_checkpointing"] = any(isinstance(callback, ModelCheckpoint) for callback in callbacks or [])
    steps: list[int] = []
    step = FastEpochLoop._step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(**{**plain, "default_root_dir": folder, **options}, callbacks=callbacks)
        if fast:
            assert use_fast_loop(trainer, module) is None
            FastEpochLoop._step = lambda self, *given: (steps.append(1), step(self, *given))[1]
        if prepare is not None:
            prepare(trainer)
        error = None
        try:
            trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
            trainer.save_checkpoint(folder / "end.ckpt")
        except Exception as raised:
            error = raised
        finally:
            FastEpochLoop._step = step
    left = {"weights": module.state_dict(), "error": repr(error), "metrics": trainer.callback_metrics}
    left |= {"logged": trainer.logged_metrics, "bar": trainer.progress_bar_metrics, "steps": len(steps)}
    if error is None:
        saved = torch.load(folder / "end.ckpt", weights_only=False)
        saved.get("callbacks", {}).pop("Timer", None)  # the time that has passed
        left |= {part: saved.get(part) for part in ("optimizer_states", "loops", "lr_schedulers", "callbacks")}
    written = folder / "lightning_logs" / "version_0" / "metrics.csv"
    left["curves"] = written.read_text() if written.is_file() else None
    described_left: dict[str, Any] = described(left, folder)
    return described_left
