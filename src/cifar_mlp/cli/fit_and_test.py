"""Fit, then look at the best and the last epoch: what ``scripts/fit.sh`` runs.

A run without validation has no best epoch.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from rich.console import Console
from rich.table import Table

from cifar_mlp.callbacks.checkpoints import count_from
from cifar_mlp.callbacks.run_record import records
from cifar_mlp.cli.command_line import CommandLine, run
from cifar_mlp.cli.parser import errors_in_one_line
from cifar_mlp.common.atomic_write import write_whole
from cifar_mlp.common.course_report import REPORT
from cifar_mlp.common.interruption import answering_interrupts
from cifar_mlp.common.json_files import read_json
from cifar_mlp.models.classifier import Classifier
from cifar_mlp.models.evaluation import REPORT_TEST_SIZE
from cifar_mlp.training.checkpoint import read_checkpoint

ResultsOfEpoch = dict[str, Any]


def fit_and_test(arguments: list[str]) -> dict[str, Any]:
    """Train as ``cifar-mlp fit`` does, evaluate the best and the last epoch, print and keep the results.

    Args:
        arguments: What ``cifar-mlp fit`` takes.

    Returns:
        What ``results.json`` in the run's folder holds: for the best and the last epoch its number and metrics,
        and the run's provenance: the last part's with the time of all, and all ``parts`` where the run was resumed.
    """
    command = run(["fit", *arguments], before_fit=lambda data: data.require_test_files())
    folder = command.trainer.log_dir
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()  # one process evaluates, and must not wait for the others
    if not command.trainer.is_global_zero:
        return {}
    checkpoints = Path(folder or ".") / "checkpoints"
    kept = Path(folder or ".") / "results.json"
    if command.finished and kept.is_file():
        found: dict[str, Any] = read_json(kept)
        if not isinstance(found.get("last"), dict):
            raise ValueError(f"{kept} is damaged (no last epoch in it): delete it, or put back a copy")
        show(command, found)
        return found
    epochs = ("best", "last") if command.datamodule.num_val else ("last",)
    first = checkpoints / f"{epochs[0]}.ckpt"
    if not first.is_file():
        print("no checkpoint was kept, so there is nothing to test")
        return {}
    if not isinstance(command.model, Classifier):  # which metrics it has, it alone knows: Lightning prints them
        command.trainer.test(command.model, command.datamodule, ckpt_path=first, weights_only=True)
        return {}
    results: dict[str, Any] = {"config": command.run_name()}
    for which in epochs:
        path = checkpoints / f"{which}.ckpt"
        shown = path == first and not tested_before(command, path)
        results[which] = evaluate(command, path, command.trainer.loggers if shown else [])
    parts = records(Path(folder or "."))
    results["provenance"] = {**parts[-1], "fit_seconds": sum(part.get("fit_seconds", 0.0) for part in parts)}
    if len(parts) > 1:
        results["parts"] = parts
    write_whole(json.dumps(results, indent=2) + "\n", kept)
    show(command, results)
    tensorboard = Path(sys.executable).with_name("tensorboard")
    print(f"run folder: {folder}\nlook at it: {tensorboard} --logdir {Path(folder or '.').parent.parent}", flush=True)
    return results


def evaluate(command: CommandLine, checkpoint: Path, loggers: list[Logger]) -> ResultsOfEpoch:
    """Validation and test metrics of a checkpoint, in float32, from byte images.

    Args:
        command: The run, for its network and data.
        checkpoint: File to load.
        loggers: Where the test metrics go too.

    Returns:
        Metrics by name, without the source's prefix, the ``epoch`` that the checkpoint ended, counted from 1, and
        ``test/confusion``: how many images of each true class (row) were taken for each class (column).
    """
    trainer = Trainer(
        accelerator="cpu" if command.trainer.strategy.root_device.type == "cpu" else "auto",
        devices=1,
        logger=loggers or False,
        callbacks=command.views.callbacks() if loggers else [],
        default_root_dir=command.trainer.default_root_dir,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    content = read_checkpoint(str(checkpoint))
    count_from(trainer, content)
    # As anybody would load it: the module that was trained may be of half precision, or of one process among many.
    model = Classifier.load_from_checkpoint(checkpoint, weights_only=True)
    data = command.datamodule
    metrics: dict[str, float] = {}
    for evaluation in (trainer.validate, trainer.test) if data.num_val else (trainer.test,):
        # The fit has logged its validations.
        trainer.loggers = [] if evaluation == trainer.validate else loggers
        # by its file: in a SLURM job Lightning would else take the weights of an interrupted job's hpc_ckpt
        metrics |= evaluation(model, data, ckpt_path=checkpoint, verbose=False, weights_only=True)[0]
    prefix = data.metric_prefix
    named = {name.removeprefix(prefix): value for name, value in metrics.items()}
    confusion = model.test_confusion.compute().tolist()
    return {"epoch": content["epoch"] + 1, "val/images": data.num_val, **named, "test/confusion": confusion}


def tested_before(command: CommandLine, checkpoint: Path) -> bool:
    """Whether this run was resumed and its folder shows the test of the same best epoch already."""
    kept = sorted(checkpoint.parent.parent.glob("results_*.json"), key=lambda path: path.stat().st_mtime)
    if command.checkpoint is None or not kept:
        return False
    content = read_checkpoint(str(checkpoint))
    unchanged = content["global_step"] <= command.checkpoint["global_step"]
    before = read_json(kept[-1]).get(checkpoint.stem, {})
    return unchanged and bool(before.get("epoch") == content["epoch"] + 1)


def show(command: CommandLine, results: dict[str, Any]) -> None:
    """Print the accuracies, beside the report's where it states any."""
    data = command.datamodule
    is_cifar = data.source.name == "cifar10"
    table = Table(title=f"{results['config']}: accuracy on {data.source.name}")
    table.add_column("")
    validated = results["last"]["val/images"]
    if validated:
        table.add_column(f"validation, {validated:,} images", justify="right")
    both = "test/accuracy_first_1000" in results["last"]
    if both:
        table.add_column(f"test, first {REPORT_TEST_SIZE:,} images", justify="right")
    which_test = "all" if data.test_size == data.source.num_test else "first"
    table.add_column(f"test, {which_test} {data.test_size:,} images", justify="right")
    averaged = [name for name in results["last"] if name.startswith("test/accuracy_views")]
    for name in averaged:
        table.add_column(f"test, {name.removeprefix('test/accuracy_views')} views averaged", justify="right")

    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f} %"

    for which in [which for which in ("best", "last") if which in results]:
        row = results[which]
        accuracies = [row["val/accuracy"]] if validated else []
        accuracies += [row["test/accuracy_first_1000"]] if both else []
        accuracies += [row["test/accuracy"], *(row[name] for name in averaged)]
        table.add_row(f"{which} epoch ({row['epoch']})", *map(percent, accuracies))
    figure = REPORT.get(results["config"]) if is_cifar else None
    if figure is not None and both:
        table.add_section()
        stated: list[float | None] = [figure.val / 100] if validated else []
        stated.append(None if figure.test is None else figure.test / 100)
        table.add_row("the report", *map(percent, stated), *[""] * (1 + len(averaged)))
    Console(width=None if Console().is_terminal else 100).print(table)


if __name__ == "__main__":
    with answering_interrupts("cifar-mlp"), errors_in_one_line():
        fit_and_test(sys.argv[1:])
