"""TensorBoard's HPARAMS tab: settings beside results, in the same columns for every run; other loggers get both too."""

import math
from typing import Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from tensorboard.plugins.hparams import plugin_data_pb2
from torch.utils.tensorboard.summary import hparams

from cifar_mlp.callbacks.board import WITHIN, Board, LeftOut, parameter_group, prefix_of
from cifar_mlp.callbacks.view import BoardCallback
from cifar_mlp.common.atomic_write import replacing
from cifar_mlp.models import Classifier

METRICS = ("hp/val_accuracy", "hp/test_accuracy")  # as columns; as curves they have one point, and stand late
# The table shows five columns until others are ticked: those marked as differing, then by name.
FIRST = ("data.n_components", "data.source", "model.network", "optimizer", "schedule")
# Settings of a Classifier and its data, with the value that stands for "does not apply".
OF_MODEL: dict[str, Any] = dict.fromkeys(("activation", "normalization", "initialization", "gradients"), "")
OF_MODEL |= dict.fromkeys(("init_std", "dropout", "label_smoothing", "regularization"), 0.0)
OF_DATA: dict[str, Any] = {"batch_size": 0, "whiten": False, "whiten_epsilon": 0.0}
OF_DATA |= dict.fromkeys(("source", "split", "sampling", "scaling", "dtype"), "")
Column = str | int | float


class Hyperparameters(BoardCallback):
    """Writes the settings when training starts, ``hp/val_accuracy`` at its end, and ``hp/test_accuracy`` of a test.

    Any other source than CIFAR-10 has columns of its own, such as ``digits/hp/val_accuracy``, and never ranks among it.

    Args:
        monitor: Metric behind ``hp/val_accuracy``, without the source's prefix: its value of the best epoch.
        tested: Metric behind ``hp/test_accuracy``, which every test fills in.
    """

    def __init__(self, monitor: str = "val/accuracy", tested: str = "test/accuracy") -> None:
        self.monitor, self.tested = monitor, tested
        self._best: float | None = None
        self._best_before: float | None = None  # when a resumed run continued

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Write the columns."""
        self.attempt(self._declare, trainer, pl_module)

    def _declare(self, trainer: Any, pl_module: Any, board: Board) -> None:
        columns = settings(trainer, pl_module)
        for logger in board.others:
            logger.log_hyperparams(columns)
        if board.tensorboard is None:
            return
        events: Any = board.writer._get_file_writer()  # add_hparams would write them into a run of its own
        with replacing(board.folder / "hparams.yaml") as unfinished:
            save_hparams_to_yaml(unfinished, columns)
        # TensorBoard asks one of the runs for the columns: CIFAR-10's must be known to all.
        shown = {f"{prefix}{WITHIN}/{name}": prefix + name for prefix in (board.prefix, "") for name in METRICS}
        for summary in hparams(columns, dict.fromkeys(shown, 0.0)):
            plugin = summary.value[0].metadata.plugin_data
            content = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
            if content.HasField("experiment"):
                for column in content.experiment.hparam_infos:
                    column.differs = column.name in FIRST
                for metric in content.experiment.metric_infos:
                    metric.display_name = shown[metric.name.tag]
            plugin.content = content.SerializeToString()
            events.add_summary(summary)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the best so far."""
        value = trainer.callback_metrics.get(prefix_of(pl_module) + self.monitor)
        if not trainer.sanity_checking and value is not None:
            self._best = max(float(value), self._best or 0.0)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the best validation."""
        self.attempt(self._write_best, trainer, pl_module)

    def _write_best(self, trainer: Any, pl_module: Any, board: Board) -> None:
        if self._best is not None:
            self._write(board, METRICS[0], self._best)
        is_new = self._best is None or self._best != self._best_before
        folder = board.folder_if_any
        if is_new and folder is not None and list(folder.glob("results_*.json")):
            # an earlier part of the run was tested, and not this epoch
            self._write(board, METRICS[1], math.nan)
        if self._best is None:
            raise LeftOut(f"no metric {self.monitor} was logged for {METRICS[0]}")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the test."""
        self.attempt(self._write_test, trainer, pl_module)

    def _write_test(self, trainer: Any, pl_module: Any, board: Board) -> None:
        value = trainer.callback_metrics.get(prefix_of(pl_module) + self.tested)
        if value is None:
            raise LeftOut(f"no metric {self.tested} was logged for {METRICS[1]}")
        self._write(board, METRICS[1], float(value))

    @staticmethod
    def _write(board: Board, name: str, value: float) -> None:
        board.scalar(f"{WITHIN}/{name}", value)

    def state_dict(self) -> dict[str, Any]:
        """A resumed run remembers its best."""
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best."""
        self._best = self._best_before = state_dict["best"]


def settings(trainer: Any, pl_module: Any) -> dict[str, Column]:
    """All settings of a run, flat.

    A :class:`Classifier` has the same columns for every optimizer and schedule, with a neutral value where a setting
    does not apply, e.g. a regularization of 0. Any other module has its own hyperparameters. The optimizer's settings
    come from the optimizer itself, defaults included. Network, optimizer and schedule are put into words too, so that
    the five columns shown first say what was changed.
    """
    data = dict(getattr(trainer.datamodule, "hparams", {}))
    if "n_components" in data:
        data["n_components"] = "all" if data["n_components"] is None else str(data["n_components"])
    if isinstance(pl_module, Classifier):
        columns = _of_classifier(pl_module.settings, data)
    else:
        columns = {"model.network": type(pl_module).__name__}
        columns |= {f"model.{name}": value for name, value in pl_module.hparams.items()}
        columns |= {f"data.{name}": value for name, value in data.items()}
    group = parameter_group(trainer)
    columns |= {
        "model.parameters": sum(parameter.numel() for parameter in pl_module.parameters()),
        "optimizer": _of_optimizer(type(trainer.optimizers[0]).__name__, group) if group else "none",
        "optimizer.lr": group.get("initial_lr", group.get("lr", 0.0)),
        "optimizer.weight_decay": group.get("weight_decay", 0.0),
        "optimizer.momentum": group.get("momentum", 0.0),
        "trainer.precision": str(trainer.precision),
        "trainer.max_epochs": -1 if trainer.max_epochs is None else trainer.max_epochs,
        "trainer.max_steps": trainer.max_steps,
        "trainer.processes": trainer.world_size,
        "seed": getattr(trainer.datamodule, "seed", 0),
    }
    # TensorBoard would show a bool as a number.
    numeric = {name: type(value) in (int, float) for name, value in columns.items()}
    return {name: value if numeric[name] else str(value) for name, value in columns.items()}


def _of_classifier(model: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    return {
        **{f"model.{name}": model.get(name, neutral) for name, neutral in OF_MODEL.items()},
        **{f"data.{name}": data.get(name) or neutral for name, neutral in OF_DATA.items()},
        "data.features": model["in_features"],
        "data.n_components": data.get("n_components", "all"),
        "data.fold": data.get("fold", 0) if data.get("num_folds") else -1,
        "model.network": _of_network(model),
        "model.layers": len(model["hidden_sizes"]) + 1,
        "schedule": _of_schedule(model),
    }


def _of_network(model: dict[str, Any]) -> str:
    """Such as ``550-128-100 relu, dropout 0.2``."""
    if not model["hidden_sizes"]:
        return "linear"
    parts = [f"{'-'.join(map(str, model['hidden_sizes']))} {model['activation']}"]
    parts += [f"{model['normalization']} normalization"] if model["normalization"] != "none" else []
    parts += [f"dropout {model['dropout']:g}"] if model["dropout"] else []
    return ", ".join(parts)


def _of_optimizer(name: str, group: dict[str, Any]) -> str:
    """Such as ``SGD, lr 0.1, momentum 0.9``."""
    rate = f"lr {group.get('initial_lr', group.get('lr', 0.0)):g}"
    return ", ".join([name, rate, *(f"{key} {group[key]:g}" for key in ("weight_decay", "momentum") if group.get(key))])


def _of_schedule(model: dict[str, Any]) -> str:
    """Such as ``ExponentialLR, gamma 0.95``; ``last_epoch`` is a state, not a setting."""
    schedule = model["lr_scheduler"]
    if not schedule:
        return "none"
    requested = sorted((name, value) for name, value in schedule["init_args"].items() if name != "last_epoch")
    words = [schedule["class_path"].rsplit(".", 1)[-1], *(f"{name} {value}" for name, value in requested)]
    return ", ".join([*words, "by step"] if model["lr_interval"] == "step" else words)
