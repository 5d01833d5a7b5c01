"""The HPARAMS tab: real settings beside real results, in the same columns for every run."""

from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.core.saving import save_hparams_to_yaml
from tensorboard.plugins.hparams import plugin_data_pb2
from torch.utils.tensorboard.summary import hparams

from cifar_mlp.callbacks.board import board, prefix_of

METRICS = ("hp/val_accuracy", "hp/test_accuracy")
# The table shows five columns until others are ticked: those marked as differing, then by name.
FIRST = ("data.components", "model.hidden_sizes", "model.network", "optimizer.lr", "seed")
Column = str | int | float


class Hyperparameters(Callback):
    """Declares the settings when training starts; fills in ``hp/val_accuracy`` at its end, and a test's accuracy.

    Args:
        monitor: Metric behind ``hp/val_accuracy``, without the source's prefix: its value of the best epoch.
        tested: Metric behind ``hp/test_accuracy``, which every test fills in.
    """

    def __init__(self, monitor: str = "val/accuracy", tested: str = "test/accuracy") -> None:
        self.monitor, self.tested = monitor, tested
        self._best: float | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write the columns."""
        here = board(trainer, pl_module)
        if here is None:
            return
        columns = settings(trainer, pl_module)
        save_hparams_to_yaml(here.folder / "hparams.yaml", columns)
        events: Any = here.writer._get_file_writer()  # add_hparams would write them into a run of its own
        for summary in hparams(columns, dict.fromkeys(METRICS, 0.0)):
            plugin = summary.value[0].metadata.plugin_data
            content = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
            for column in content.experiment.hparam_infos if content.HasField("experiment") else ():
                column.differs = column.name in FIRST
            plugin.content = content.SerializeToString()
            events.add_summary(summary)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the best so far."""
        value = trainer.callback_metrics.get(prefix_of(pl_module) + self.monitor)
        if trainer.sanity_checking or value is None:
            return
        self._best = max(float(value), self._best or 0.0)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the best validation's."""
        here = board(trainer, pl_module)
        if here is not None and self._best is not None:
            here.writer.add_scalar(METRICS[0], self._best, here.step)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the test's."""
        here, value = board(trainer, pl_module), trainer.callback_metrics.get(prefix_of(pl_module) + self.tested)
        if here is not None and value is not None:
            here.writer.add_scalar(METRICS[1], float(value), here.step)

    def state_dict(self) -> dict[str, Any]:
        """A resumed run remembers its best."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember it."""
        self._best = state_dict["best"]


def settings(trainer: Any, pl_module: Any) -> dict[str, Column]:
    """What was set, flat: the same columns whichever network, optimizer or schedule was chosen.

    A setting that does not apply has its neutral value, as a regularization of 0. The optimizer's are read from the
    optimizer itself, so defaults that nobody spelt out are there too.
    """
    model = dict(getattr(pl_module, "settings", None) or pl_module.hparams)
    data = dict(getattr(trainer.datamodule, "settings", {}))
    optimizer = trainer.optimizers[0]
    group = optimizer.param_groups[0]
    schedule = model.get("lr_scheduler")
    hidden = model.get("hidden_sizes", [])
    columns: dict[str, Any] = {
        "data.source": data.get("source", ""),
        "data.features": model.get("in_features", 0),
        "data.components": data.get("n_components") or 0,
        "data.batch_size": data.get("batch_size", 0),
        **{f"data.{name}": data.get(name, "") for name in ("split", "sampling", "scaling", "whiten")},
        "data.dtype": data.get("dtype") or "",
        "data.whiten_epsilon": data.get("whiten_epsilon", 0.0),
        "data.fold": data.get("fold", 0) if data.get("num_folds") else -1,
        "model.network": type(pl_module).__name__,
        "model.hidden_sizes": "-".join(map(str, hidden)) or "none",
        "model.layers": len(hidden) + 1,
        "model.parameters": sum(parameter.numel() for parameter in pl_module.parameters()),
        **{f"model.{name}": model.get(name, "") for name in ("activation", "normalization", "initialization")},
        **{
            f"model.{name}": model.get(name, 0.0)
            for name in ("init_std", "dropout", "label_smoothing", "regularization")
        },
        "optimizer": type(optimizer).__name__,
        "optimizer.lr": group.get("initial_lr", group["lr"]),
        "optimizer.weight_decay": group.get("weight_decay", 0.0),
        "optimizer.momentum": group.get("momentum", 0.0),
        "schedule": schedule["class_path"].rsplit(".", 1)[-1] if schedule else "none",
        "schedule.settings": _in_words(schedule["init_args"]) if schedule else "",
        "trainer.precision": str(trainer.precision),
        "trainer.max_epochs": -1 if trainer.max_epochs is None else trainer.max_epochs,
        "trainer.max_steps": trainer.max_steps,
        "trainer.processes": trainer.world_size,
        "seed": getattr(trainer.datamodule, "seed", 0),
    }
    # TensorBoard would show a bool as a number.
    return {name: str(value) if isinstance(value, bool) else value for name, value in columns.items()}


def _in_words(settings: dict[str, Any]) -> str:
    """``gamma 0.95``; where a schedule starts is no setting."""
    return ", ".join(f"{name} {value}" for name, value in sorted(settings.items()) if name != "last_epoch")
